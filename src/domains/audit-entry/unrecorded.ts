/** What has no entry of its own. */
export interface Unrecorded {
  readonly what: string;
  readonly because: string;
  /** Tables of which no change is told. */
  readonly tables?: readonly string[];
  /** Columns whose change alone is not told. */
  readonly columns?: readonly string[];
}

/** All of it. docs/audit.md prints it, and a test holds the database to it. */
export const UNRECORDED: readonly Unrecorded[] = [
  {
    what: 'input, output, tokens and cost of a run, and its idempotency key',
    because: 'they come many times a second, and may be large; its status is told',
    columns: ['run.input', 'run.output', 'run.total_tokens', 'run.total_cost_micros', 'run.idempotency_key'],
  },
  {
    what: 'when a key, a directory or a session was last used, and the token that renews a session',
    because: 'every request would be an entry',
    tables: ['refresh_token'],
    columns: ['api_key.last_used_at', 'scim_directory.last_used_at', 'session.last_used_at', 'session.user_agent'],
  },
  {
    what: 'work that is due, such as mail, and what became of it',
    because: 'what it does is told: that an invitation was sent, or a domain lapsed',
    tables: ['due_work', 'owed_work', 'invitation_secret'],
    columns: ['invitation.pending_email', 'invitation.mail_status', 'invitation.mail_problem'],
  },
  {
    what: 'what the DNS answered on daily checks',
    because: 'that a domain was proved, or lapsed, is told',
    columns: [
      'organization_domain.held_name',
      'organization_domain.checked_at',
      'organization_domain.check_found',
      'organization_domain.check_problem',
      'organization_domain.misses',
    ],
  },
  {
    what: 'host names',
    because: 'they are told with the organization’s slug, or the domain that has them',
    tables: ['address'],
  },
  { what: 'sums of usage', because: 'they follow from the runs', tables: ['run_usage'] },
  {
    what: 'people on their way through an identity provider',
    because: 'that they signed in is told; until then nobody knows who they are',
    tables: ['sign_in_attempt', 'saml_assertion_seen'],
  },
  {
    what: 'what a removed member was, while they are invited again',
    because: 'it was told when they were removed',
    columns: [
      'membership.left_role',
      'membership.left_granted',
      'membership.left_withheld',
      'membership.left_joined_at',
    ],
  },
  {
    what: 'the count that orders writers, and the public half of a key that signs',
    because: 'the one says nothing, and the other is published',
    columns: ['organization.lock_version', 'signing_key.public_key'],
  },
  {
    what: 'the record itself',
    because: 'nobody changes it; what was exported is told',
    tables: ['audit_entry', 'audit_unsealed', 'audit_seal'],
  },
  {
    what: 'migrations',
    because: 'whoever owns the database runs them',
    tables: ['_prisma_migrations'],
  },
];
