import { OrganizationRole } from '../generated/enums.js';

export type Role = OrganizationRole;

const RANKS: Readonly<Record<Role, number>> = { VIEWER: 0, DEVELOPER: 1, ADMIN: 2, OWNER: 3 };

/** From the least to the most: everyone may do what those before them may. */
export const ROLES: readonly Role[] = Object.values(OrganizationRole).toSorted((a, b) => RANKS[a] - RANKS[b]);

/** What people call a role. */
export const roleName = (role: Role): string => role.charAt(0) + role.slice(1).toLowerCase();

/** `resource:action` */
export type Permission = `${string}:${string}`;

/** What a permission is: the first role that holds it, and what whoever holds it may, in a sentence. */
export interface Grant {
  readonly from: Role;
  readonly may: string;
  /**
   * Whether the deployment's own people may use it, for a member who holds it and while an OWNER lets them change something. Never
   * of keys, credentials, identity providers, directories, domains, hosts, members, invitations, roles, billing, limits, approvals,
   * webhooks, exports, deletion, grants or the record.
   */
  readonly vendor?: true;
}

/** The permissions of a domain. Every domain declares its own. */
export type Grants = Readonly<Record<Permission, Grant>>;

/** Spellings of other products, accepted wherever a permission is named. */
const ALIASES: ReadonlyMap<string, Permission> = new Map([
  ['execute_agents', 'run:start'],
  ['view_analytics', 'usage:read'],
]);

export const isAtMost = (role: Role, limit: Role): boolean => RANKS[role] <= RANKS[limit];

const isPermission = (name: string): name is Permission => name.includes(':');

const entriesOf = (grants: Grants): [Permission, Grant][] =>
  Object.entries(grants).map(([name, grant]) => {
    if (!isPermission(name)) throw new Error(`${name} is no permission`);
    return [name, grant];
  });

/** A permission as it is shown to whoever chooses some. */
export interface CataloguedPermission {
  readonly name: Permission;
  readonly description: string;
  /** The roles that hold it, from the least to the most. */
  readonly roles: readonly Role[];
  readonly aliases: readonly string[];
  /** No key holds what only an OWNER may. */
  readonly isHeldByKeys: boolean;
  /** Whether the deployment's own people may use it for a member. */
  readonly vendor: boolean;
}

/** All permissions there are, and what a membership adds up to. Made once, from the domains. */
export class Catalogue {
  readonly #grants: ReadonlyMap<Permission, Grant>;
  readonly #bundles = new Map<Role, ReadonlySet<Permission>>();

  /** @throws when two domains declare the same permission */
  constructor(grants: readonly Grants[]) {
    const all = new Map<Permission, Grant>();
    for (const [permission, grant] of grants.flatMap(entriesOf)) {
      if (all.has(permission)) throw new Error(`two domains declare ${permission}`);
      all.set(permission, grant);
    }
    this.#grants = new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
    for (const role of ROLES) {
      const held = [...this.#grants].filter(([, { from }]) => isAtMost(from, role)).map(([permission]) => permission);
      this.#bundles.set(role, new Set(held));
    }
  }

  has(permission: Permission): boolean {
    return this.#grants.has(permission);
  }

  /** Whether the deployment's own people may use it for a member, while an OWNER lets them. */
  isVendors(permission: Permission): boolean {
    return this.#grants.get(permission)?.vendor === true;
  }

  /** The permission of this name or alias, or null. */
  parse(name: string): Permission | null {
    const permission = ALIASES.get(name) ?? name;
    return isPermission(permission) && this.#grants.has(permission) ? permission : null;
  }

  /** What a membership allows: its role's permissions, more and less single ones, in the catalogue's order. */
  effective(role: Role, granted: readonly string[], withheld: readonly string[]): ReadonlySet<Permission> {
    const bundle = this.#bundleOf(role);
    if (granted.length === 0 && withheld.length === 0) return bundle;
    const keys = [...this.#grants.keys()];
    return new Set(keys.filter((name) => (bundle.has(name) || granted.includes(name)) && !withheld.includes(name)));
  }

  /**
   * What a key adds up to: of what it was given that which its owner holds, and nothing that only an OWNER may, in the
   * owner's role, but ADMIN at most. Written as a membership is, so that every rule about those holds for keys.
   */
  ofKey(owner: { role: Role; granted: readonly string[]; withheld: readonly string[] }, given: readonly string[]) {
    const held = this.effective(owner.role, owner.granted, owner.withheld);
    const admins = this.#bundleOf('ADMIN');
    const kept = new Set([...held].filter((name) => given.includes(name) && admins.has(name)));
    const role: Role = owner.role === 'OWNER' ? 'ADMIN' : owner.role;
    return { role, granted: [...kept], withheld: [...this.#grants.keys()].filter((name) => !kept.has(name)) };
  }

  #bundleOf(role: Role): ReadonlySet<Permission> {
    const bundle = this.#bundles.get(role);
    if (!bundle) throw new Error(`a membership has the unknown role ${role}`);
    return bundle;
  }

  /** Every permission, by name. */
  list(): CataloguedPermission[] {
    return [...this.#grants].map(([name, { from, may, vendor = false }]) => ({
      name,
      description: may,
      roles: ROLES.filter((role) => isAtMost(from, role)),
      aliases: [...ALIASES].flatMap(([alias, permission]) => (permission === name ? [alias] : [])),
      isHeldByKeys: isAtMost(from, 'ADMIN'),
      vendor,
    }));
  }
}
