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
          ...Object.fromEntries(models.map((name) => [name, `../data/table.js#Row<'${name}'>`])),
          Domain: "../data/table.js#Row<'OrganizationDomain'>",
          JoinableOrganization: '../data/joining.js#Joinable',
          AgentRepository: "../data/table.js#Row<'Repository'>",
          Organization: '../domains/organization.js#OrganizationParent',
          Invitation: '../domains/invitation.js#InvitationParent',
          MemberRemovalPreview: '../domains/preview-member-removal.js#MemberRemovalPreviewParent',
          Membership: '../domains/membership.js#MembershipParent',
          ServiceAccount: '../domains/service-account.js#ServiceAccountParent',
          RateLimit: '../context/context.js#Spending',
          Session: '../data/sessions.js#SessionCard',
          User: '../domains/viewer.js#UserParent',
          Viewer: '../domains/viewer.js#ViewerParent',
        },
      },
    },
  },
};

export default config;
