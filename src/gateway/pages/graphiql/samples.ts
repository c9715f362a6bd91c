/** What the tabs hold at the first look; each runs as it stands. @param agent the id of one, where there is any */
export const samples = (agent: string | null) => [
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
# unless it was granted more. Send the token as a
# bearer token; every operation is told to acme.
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
    variables: JSON.stringify({ member: 'the id of a member: members { nodes { user { id } } }' }),
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
