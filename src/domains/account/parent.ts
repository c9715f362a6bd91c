import type { OrgId } from '../../data/id.js';
import type { Environment, OrganizationStatus } from '../../generated/enums.js';

/** An account as an administrator sees it, or whoever runs the deployment. */
export interface AccountParent {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
  /** Whether the viewer is one of its administrators: what its organizations use is for those. */
  readonly isOwn: boolean;
}

/** One of its organizations, which nobody is shown before it was told. */
export interface FoundOrganization {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly status: OrganizationStatus;
  /** The tag of where it is homed; null where nobody had told the deployment. */
  readonly region: string | null;
  readonly environment: Environment | null;
  readonly offeredAt: Date;
  readonly acceptedAt: Date | null;
  /** To read what it uses; null where the viewer does not administer its account. */
  readonly opened: OrgId | null;
}

/** One that has been told that it is seen, whatever led to it. */
export interface AccountOrganizationParent extends FoundOrganization {
  readonly isTold: true;
}

/** The account of an organization, as that sees it. */
export interface OrganizationAccountParent {
  readonly id: string;
  readonly name: string;
  readonly offeredAt: Date;
  readonly acceptedAt: Date | null;
}
