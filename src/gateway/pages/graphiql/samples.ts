/** What is there in an organization that samples can be about; null where there is none, or it is not for the viewer. */
export interface Known {
  readonly agent: string | null;
  /** One that waits. */
  readonly approval: { readonly id: string; readonly inputHash: string } | null;
  /** One that was not read. */
  readonly notification: string | null;
  /** Somebody else. */
  readonly member: string | null;
}

/**
 * What the tabs hold at the first look; each runs as it stands, as far as there is something that it can be about.
 *
 * @param origin where this server is reached by itself
 */
export const samples = ({ agent, approval, notification, member }: Known, origin: string) => [
  {
    query: `# Who am I, and in which organization? Switch
# the organization above and see.
query WhoAmI {
  viewer {
    user { name email }
    role
    organizationSource
    currentOrganization { id name slug }
    memberships {
      nodes { role organization { name slug } }
    }
  }
}
`,
  },
  {
    query: `# Only this organization's repositories, with
# their agents and latest runs.
query Repositories {
  repositories {
    totalCount
    nodes {
      id
      name
      gitUrl
      agents { nodes { name } }
      runs(first: 3) {
        nodes {
          status
          totalCost
          createdBy { name }
        }
      }
    }
  }
}
`,
  },
  {
    query: `query FailedRuns($after: String) {
  runs(
    first: 10
    after: $after
    filter: { status: FAILED }
  ) {
    nodes {
      id
      createdAt
      error
      agent { name }
      createdBy { name }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,
  },
  {
    query: `query Usage {
  organizationUsage {
    currentPeriodStart
    currentPeriodEnd
    totalRuns
    totalTokens
    totalCost
    runsByStatus { status count }
  }
}
`,
  },
  {
    query: `mutation StartRun($agent: ID!) {
  startRun(
    input: {
      agentId: $agent
      input: { task: "Say hello" }
    }
  ) {
    id
    status
    createdBy { name }
  }
}
`,
    variables: JSON.stringify({ agent: agent ?? 'paste the id of an agent' }),
  },
  {
    query: `# Whom a run calls, in five tabs. As an ADMIN: two
# providers that runs may call, by the names that
# the settings' providerRouting has.
mutation GiveProviders {
  one: createCredential(
    input: {
      kind: LLM_PROVIDER
      name: "Anthropic"
      provider: "anthropic"
      secret: "made-in-graphiql-0001"
    }
  ) { id provider }
  other: createCredential(
    input: {
      kind: LLM_PROVIDER
      name: "OpenAI"
      provider: "openai"
      secret: "made-in-graphiql-0002"
    }
  ) { id provider }
}
`,
  },
  {
    query: `# As an executor of the organization's own does:
# one of the runs that wait is RUNNING now, for
# ten minutes. Its token reports on it, and asks
# what it needs, in the next tab.
mutation Claim {
  claimRuns(input: { leaseSeconds: 600 }) {
    runs { runId token attempt leaseExpiresAt }
  }
}
`,
  },
  {
    query: `# With the token of a run: whom is it to call? Put
# { "authorization": "Bearer og_run_…" } under
# Headers below. Ask once more after the next tab.
mutation ResolveProvider {
  resolveProvider(input: { kind: LLM }) {
    name
    model
    reason
    passedOver { provider reason }
  }
}
`,
  },
  {
    query: `# A provider fails. For a minute runs are told to
# call the next of the list. As a DEVELOPER, or
# with the token of a run.
mutation ProviderFails($provider: String!) {
  reportProviderHealth(
    input: {
      provider: $provider
      healthy: false
      detail: "529 overloaded"
    }
  ) {
    provider
    healthy
    retryAt
  }
}
`,
    variables: JSON.stringify({ provider: 'anthropic' }),
  },
  {
    query: `# Whom the last runs were told to call, who was
# passed over for them, and how providers are.
query Providers {
  providerHealth {
    provider
    healthy
    detail
    retryAt
  }
  runs(first: 10) {
    nodes {
      id
      status
      providers {
        name
        reason
        passedOver { provider reason }
        at
      }
    }
  }
}
`,
  },
  {
    query: `# What becomes of runs, as it happens. Leave this
# running here, and start a run by StartRun in
# another window: it comes in below.
subscription RunUpdates {
  organizationRunUpdates {
    cursor
    change
    status
    at
    run { totalTokens totalCost agent { name } }
  }
}
`,
  },
  {
    query: `# A run that people have to allow first: in acme
# whatever costs more than 0.125. It waits, and
# says for whom.
mutation StartCostlyRun($agent: ID!) {
  startRun(
    input: {
      agentId: $agent
      input: { task: "Read all invoices" }
      estimatedCostMicros: 150000
    }
  ) {
    id
    status
    approval {
      id
      inputHash
      waitsFor { name }
    }
  }
}
`,
    variables: JSON.stringify({ agent: agent ?? 'paste the id of an agent' }),
  },
  {
    query: `# What waits to be allowed, and what it will do.
query Approvals {
  approvals(filter: { status: PENDING }) {
    nodes {
      id
      inputHash
      submittedBy { name }
      waitsFor { name }
      expiresAt
      run {
        agent { name version }
        input
        estimatedCostMicros
      }
    }
  }
}
`,
  },
  {
    query: `# As Ann or Adam, of acme: whoever started it does
# not decide. Change the agent first (its name, or
# its pool), and it is refused: INPUT_CHANGED.
mutation Decide($id: ID!, $seen: String!) {
  decideApproval(
    input: {
      id: $id
      decision: APPROVE
      inputHash: $seen
      comment: "Looked at in GraphiQL"
    }
  ) {
    status
    decidedAt
    decisions { by { name } decision comment }
    run { status }
  }
}
`,
    variables: JSON.stringify({
      id: approval?.id ?? 'apr_…, of the tab before',
      seen: approval?.inputHash ?? 'its inputHash',
    }),
  },
  {
    query: `# As an OWNER: what has to be allowed, and by
# whom. Here by OWNERs, since nobody is named;
# after 12 hours others may, after 48 it goes on.
mutation AskForApproval {
  updateOrganization(
    input: {
      settings: {
        approval: {
          requireFor: [{ kind: EVERY_RUN }]
          approvers: []
          order: ANY
          escalationAfterHours: 12
          autoApproveAfterHours: 48
        }
      }
    }
  ) {
    settings {
      version
      approval {
        requireFor { kind costMicros agentId }
        approvers
        order
      }
    }
  }
}
`,
  },
  {
    query: `# What may be spent, what was, and at how much of
# it OWNERs were told. Acme has spent 84 percent.
query Limits {
  organizationUsage {
    percentUsed
    budget {
      hardStopAtLimit
      monthly {
        limitMicros
        settledMicros
        reservedMicros
        resetsAt
      }
    }
  }
  usageAlerts {
    period metric threshold
    limit used crossedAt
  }
}
`,
  },
  {
    query: `# What you were told of in this organization, and
# nobody else is. The next tab has read one.
query Notifications {
  notifications(unread: true) {
    totalCount
    nodes { id kind text at targetId }
  }
  notificationPreferences { kind ways }
}
`,
  },
  {
    query: `# Alerts in the list only, from now on. That
# somebody looks in is always mailed to OWNERs.
mutation Read(
  $ids: [ID!]!
  $wishes: SetNotificationPreferencesInput!
) {
  markNotificationsRead(ids: $ids) { id readAt }
  setNotificationPreferences(input: $wishes) {
    kind
    ways
  }
}
`,
    variables: JSON.stringify({
      ids: [notification ?? 'put an id here'],
      wishes: { preferences: [{ kind: 'ALERT', ways: ['LIST'] }] },
    }),
  },
  {
    query: `# As an OWNER. Of nothing nothing is left: start
# a run by StartRun, and it is refused as
# BUDGET_EXCEEDED. null is unlimited again.
mutation SetLimits($limit: SafeInt) {
  setCostLimits(
    input: { monthlyLimitMicros: $limit }
  ) {
    monthly { limitMicros overshootMicros }
  }
}
`,
    variables: JSON.stringify({ limit: 0 }),
  },
  {
    query: `# As Sam, a SYSTEM_ADMIN: the machines that work
# for everyone. rotateExecutorToken(id) answers a
# token for docs/examples/executor/runner.mjs.
query Executors {
  executors { id name pool lastFour lastUsedAt }
}
`,
  },
  {
    query: `# A key for a machine, shown this once. It is
# sent as a bearer token, in the place of a
# person's.
mutation CreateApiKey {
  createApiKey(
    input: {
      name: "Made in GraphiQL"
      permissions: ["agent:read", "run:start"]
    }
  ) {
    secret
    apiKey {
      id
      permissions
      expiresAt
      owner { name }
    }
  }
}
`,
  },
  {
    query: `# How this organization's settings changed, and
# who changed them. An ADMIN or OWNER changes them
# in the next tab.
query SettingsVersions {
  currentOrganization {
    settings {
      version
      branding {
        displayName
        colours { primary onPrimary }
      }
      providerRouting {
        llmPreference
        llmFallback
      }
      support { access }
    }
  }
  settingsVersions(first: 5) {
    nodes {
      version
      at
      by { kind name }
      changes { path before after }
    }
  }
}
`,
  },
  {
    query: `# Makes a version. With expectedVersion it would
# be refused where somebody else was first.
mutation ChangeSettings {
  updateOrganization(
    input: {
      settings: {
        branding: { displayName: "Helpdesk" }
      }
    }
  ) {
    settings {
      version
      branding { displayName }
    }
  }
}
`,
  },
  {
    query: `# Back to the first settings: a new version. Of
# somebody who has not seen the last one it is
# refused, so put the version in that you have.
mutation RollbackSettings($seen: Int!) {
  rollbackSettings(
    version: 1
    expectedVersion: $seen
  ) {
    settings {
      version
      branding { displayName }
    }
  }
}
`,
    variables: JSON.stringify({ seen: 5 }),
  },
  {
    query: `# The others of the same company: where each is
# homed, and for what.
query Siblings {
  currentOrganization {
    region { tag isHere }
    environment
    set { name base project }
    siblings { name slug environment }
  }
}
`,
  },
  {
    query: `# In what acme-staging and acme differ. Of
# credentials only whether they are the same.
query CompareOrganizations {
  compareOrganizations(
    a: "acme-staging"
    b: "acme"
  ) {
    differences { path a b isPromotable }
    credentials { name result }
  }
}
`,
  },
  {
    query: `# What would be taken over from staging, path
# by path. Without dryRun it is done, and both
# records say so. In acme, as its ADMIN or OWNER.
mutation PromoteSettings {
  promoteSettings(
    input: {
      from: "acme-staging"
      paths: [
        "agentExecution.defaultModel"
        "branding.colours"
      ]
      dryRun: true
    }
  ) {
    changes { path before after }
  }
}
`,
  },
  {
    query: `# A secret that this organization's work needs
# elsewhere. Nobody reads it again. An ADMIN or
# OWNER makes one.
mutation CreateCredential {
  createCredential(
    input: {
      kind: GIT
      name: "Deploy key"
      provider: "github"
      secret: "made-in-graphiql-0000"
    }
  ) {
    id
    kind
    lastFour
    rotatedAt
  }
}
`,
  },
  {
    query: `# A URL that is told what happens here, signed.
# It leads to /dev/webhooks of this server: give
# that page the secret, and make something happen.
mutation CreateWebhook($url: String!) {
  createWebhook(
    input: {
      url: $url
      events: ["repository.created"]
    }
  ) {
    secret
    webhook { id url events }
  }
}
`,
    variables: JSON.stringify({ url: `${origin}/dev/webhooks` }),
  },
  {
    query: `# Something happens: see it come to /dev/webhooks,
# in the order that its sequence says.
mutation CreateRepository($name: String!) {
  createRepository(
    input: {
      name: $name
      gitUrl: "https://git.acme.example/new.git"
    }
  ) {
    id
    name
  }
}
`,
    variables: JSON.stringify({ name: 'made-in-graphiql' }),
  },
  {
    query: `# What webhooks were sent, and what became of it.
# testWebhook(id) sends something at once, and
# redeliver(deliveryId) the same once more.
query Webhooks {
  webhooks {
    nodes {
      id
      url
      events
      status
      attempts(first: 5) {
        nodes {
          at
          event
          sequence
          status
          problem
          durationMs
          deliveryId
        }
      }
    }
  }
  webhookEventTypes { name description }
}
`,
  },
  {
    query: `# Who of the people that run this deployment
# looked in here, and what an OWNER granted them.
query SupportAccess {
  currentOrganization {
    settings { support { access } }
  }
  supportAccessLog(first: 5) {
    nodes {
      id
      by { name email }
      onBehalfOf { name }
      reason
      scope
      startedAt
      endedAt
    }
  }
  supportAccessGrants(first: 5) {
    nodes {
      id
      scope
      expiresAt
      inForce
      grantedBy { name }
    }
  }
}
`,
  },
  {
    query: `# As an OWNER: until then they may change what
# permissionCatalogue marks "vendor". At most 72
# hours from now; revokeSupportAccess(id) ends it.
mutation GrantSupportAccess($until: DateTime!) {
  grantSupportAccess(
    input: { scope: WRITE, expiresAt: $until }
  ) {
    id
    scope
    expiresAt
    inForce
  }
}
`,
    variables: JSON.stringify({ until: new Date(Date.now() + 3_600_000).toISOString() }),
  },
  {
    query: `# As Sam, who runs this deployment: acts as a
# member of acme for half an hour, and reads only
# unless it was granted more. In another tab, put
# { "authorization": "Bearer <token>" } under
# Headers below; every operation is told to acme.
mutation StartImpersonation($member: ID!) {
  startImpersonation(
    input: {
      organizationId: "acme"
      userId: $member
      reason: "Shown in GraphiQL"
      minutes: 30
    }
  ) {
    token
    expiresAt
    impersonation {
      id
      onBehalfOf { name }
      scope
    }
  }
}
`,
    variables: JSON.stringify({ member: member ?? 'the id of a member: members { nodes { user { id } } }' }),
  },
  {
    query: `# Ends it, for whoever began it and for OWNERs:
# the token is nobody's with the next request.
mutation EndImpersonation($id: ID!) {
  endImpersonation(id: $id) {
    id
    reason
    endedAt
  }
}
`,
    variables: JSON.stringify({ id: 'imp_…, of supportAccessLog' }),
  },
  {
    query: `# What this organization has, how many of what it
# may have, and who decided that.
query FeaturesAndLimits {
  currentOrganization {
    features { name enabled decidedBy }
    limits { name max used decidedBy }
  }
}
`,
  },
  {
    query: `# Who did what here, the newest first; what is
# sealed has its place in the chain.
query Record {
  auditLog(first: 10) {
    totalCount
    nodes {
      sequence
      at
      actor { kind name }
      action
      outcome
      targetName
      changes { path before after }
    }
  }
}
`,
  },
  {
    query: `# Only what somebody did to runs that went
# wrong. A word that is none is refused, with
# those there are.
query FailedRunsInTheRecord {
  auditLog(
    first: 10
    filter: {
      action: "run.failed"
      outcome: DONE
    }
  ) {
    nodes {
      at
      actor { name }
      targetId
      changes { path after }
      requestId
      address
    }
  }
}
`,
  },
  {
    query: `# Whether anybody altered, took or moved an
# entry, and a signed note of how long the
# record is: keep it elsewhere.
query ChainCheck {
  verifyAuditChain {
    ok
    checked
    headSequence
    headHash
    firstBad
    problem
  }
  auditCheckpoint
}
`,
  },
  {
    query: `# A link for ten minutes, with these
# credentials. docs/audit.md prints the program
# that checks what it leads to.
mutation ExportRecord {
  exportAudit(input: { format: NDJSON }) {
    url
    expiresAt
  }
}
`,
  },
  {
    query: `# As an administrator of an account (of the demo:
# ann@acme.example): how its organizations stand,
# and what they used. Each of them is told.
query Accounts {
  accounts {
    nodes {
      name
      administrators { name }
      organizations {
        nodes {
          name
          slug
          status
          region { tag }
          environment
          acceptedAt
          usage { totalRuns totalCost }
        }
      }
    }
  }
}
`,
  },
  {
    query: `# What this organization was called before still
# leads here; put a new slug in to rename it.
mutation Rename($slug: String) {
  updateOrganization(input: { slug: $slug }) {
    slug
    formerSlugs { slug leadsUntil heldUntil }
  }
}
`,
    variables: JSON.stringify({ slug: 'acme' }),
  },
  {
    query: `# Asks for the deletion of this organization. For
# 30 days an OWNER still reads it, and takes that
# back in the next tab.
mutation RequestDeletion($slug: String!) {
  requestOrganizationDeletion(confirm: $slug) {
    status
    purgeAt
  }
}
`,
    variables: JSON.stringify({ slug: 'put the slug here' }),
  },
  {
    query: `# All is as it was, keys included.
mutation CancelDeletion {
  cancelOrganizationDeletion {
    status
    purgeAt
  }
}
`,
  },
];
