/** What the gateway goes out for, to addresses that organizations choose. */
export const EGRESS_PURPOSES = ['identity-provider', 'webhook'] as const;
export type EgressPurpose = (typeof EGRESS_PURPOSES)[number];

/** What for, and for which organization; null is the deployment itself. */
export interface Whom {
  readonly purpose: EgressPurpose;
  readonly orgId: string | null;
}

/** A host that may be inside the network that the gateway stands in. */
export interface EgressRule {
  readonly purpose: EgressPurpose;
  /** Null is every organization's, and the deployment's. */
  readonly orgId: string | null;
  /** As URLs spell it: lower case, an IPv6 address in brackets. */
  readonly host: string;
  /** Null is any. */
  readonly port: number | null;
}

const RULE = /^([a-z-]+):(\*|[\w-]{1,64})=(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?):(\d{1,5}|\*)$/i;

/** Reads `<purpose>:<organization or *>=<host:port>`; null where it is none. Of a port, `*` is any. */
export function parseEgressRule(text: string): EgressRule | null {
  const [, purpose, orgId = '', name = '', , port = ''] = RULE.exec(text) ?? [];
  const known = EGRESS_PURPOSES.find((each) => each === purpose);
  if (!known || !URL.canParse(`http://${name}`) || Number(port) > 65_535) return null;
  // As a URL spells it, in which it is looked for.
  const host = new URL(`http://${name}`).hostname;
  return { purpose: known, orgId: orgId === '*' ? null : orgId, host, port: port === '*' ? null : Number(port) };
}

const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** Whether a host was named for this. */
export function isAllowed(rules: readonly EgressRule[], { hostname, port, protocol }: URL, whom: Whom): boolean {
  const at = port === '' ? PORTS[protocol] : Number(port);
  return rules.some(
    (rule) =>
      rule.purpose === whom.purpose &&
      (rule.orgId === null || rule.orgId === whom.orgId) &&
      rule.host === hostname &&
      (rule.port === null || rule.port === at),
  );
}

/** Where it is tried out, this very machine. */
export const THIS_MACHINE: readonly EgressRule[] = EGRESS_PURPOSES.flatMap((purpose) =>
  ['localhost', '127.0.0.1', '[::1]'].map((host) => ({ purpose, orgId: null, host, port: null })),
);
