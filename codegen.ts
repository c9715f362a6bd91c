import { readFileSync } from 'node:fs';
import type { CodegenConfig } from '@graphql-codegen/cli';

/** A type named like an org-owned model is answered from its row, without a line here. */
const models = [...readFileSync('prisma/schema.prisma', 'utf8').matchAll(/^model (\w+) \{[^}]*\borgId\b/gm)].map(
  ([, name]) => name as string,
);

const config: CodegenConfig = {
  schema: 'schema/*.graphql',
  generates: {
    'src/generated/graphql.ts': {
      plugins: ['typescript', 'typescript-resolvers'],
      config: {
        useTypeImports: true,
        enumsAsTypes: true,
        strictScalars: true,
        scalars: {
          ID: 'string',
          DateTime: 'Date',
          SafeInt: { input: 'number', output: 'number | bigint' },
          JSON: 'unknown',
          JSONObject: 'Record<string, unknown>',
        },
        contextType: '../context/context.js#RequestContext',
        mappers: {
          ...Object.fromEntries(models.map((name) => [name, `../data/organization/table.js#Row<'${name}'>`])),
          Domain: "../data/organization/table.js#Row<'OrganizationDomain'>",
          JoinableOrganization: '../domains/join-request/outside.js#Joinable',
          AgentRepository: "../data/organization/table.js#Row<'Repository'>",
          Organization: '../domains/organization/index.js#OrganizationParent',
          Invitation: '../domains/invitation/index.js#InvitationParent',
          MemberRemovalPreview: '../domains/membership/preview-member-removal.js#MemberRemovalPreviewParent',
          Membership: '../domains/membership/index.js#MembershipParent',
          ServiceAccount: '../domains/service-account/index.js#ServiceAccountParent',
          RateLimit: '../context/context.js#Spending',
          Session: '../identity/sessions.js#SessionCard',
          User: '../domains/viewer/index.js#UserParent',
          Viewer: '../domains/viewer/index.js#ViewerParent',
        },
      },
    },
  },
};

export default config;
