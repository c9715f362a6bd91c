import type { Row } from '../../data/organization/table.js';

/** `Domain` is the contract's name for it. */
export type DomainParent = Row<'OrganizationDomain'>;
