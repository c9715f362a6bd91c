import { CREATED_PREFIX } from './database.mjs';

/** Becomes a number that no other request has; as long as what the load generator writes in its place. */
export const UNIQUE = '@'.repeat(12);

/**
 * One operation, asked of both gateways in their own words.
 *
 * @typedef {object} Operation
 * @property {string} name
 * @property {string} title
 * @property {Dialect} orgate
 * @property {Dialect} postgraphile
 * @property {number} [share] of the mixed load, in percent
 */
/**
 * @typedef {object} Dialect
 * @property {string} query
 * @property {(asked: Asked) => object} variables
 * @property {(data: any) => any[]} read the answer as rows, in words that both share
 */
/** @typedef {{ orgId: string, repositoryId: string, cursor: string | undefined }} Asked */

const instant = (text) => text && new Date(text).toISOString();
const repository = ({ id, name, gitUrl, branch, description, createdAt, updatedAt }) => ({
  id,
  name,
  gitUrl,
  branch,
  description,
  createdAt: instant(createdAt),
  updatedAt: instant(updatedAt),
});
const run = ({ id, status, createdAt, startedAt, finishedAt, totalTokens, totalCostMicros }) => ({
  id,
  status,
  createdAt: instant(createdAt),
  startedAt: instant(startedAt),
  finishedAt: instant(finishedAt),
  totalTokens: Number(totalTokens),
  totalCostMicros: Number(totalCostMicros),
});
const page = ({ hasNextPage }, rows) => [...rows, { hasNextPage }];

const REPOSITORY = 'id name gitUrl branch description createdAt updatedAt';
const RUN = 'id status createdAt startedAt finishedAt totalTokens totalCostMicros';
/** PostGraphile keeps `id` for itself. */
const PEER_REPOSITORY = `id: row${REPOSITORY.replace('id', 'Id')}`;
const PEER_RUN = `id: row${RUN.replace('id', 'Id')}`;
const PAGE = 'pageInfo { hasNextPage endCursor }';

/** @type {Operation[]} */
export const OPERATIONS = [
  {
    name: 'get',
    title: 'Point lookup by id',
    share: 40,
    orgate: {
      query: `query Get($id: ID!) { repository(id: $id) { ${REPOSITORY} } }`,
      variables: ({ repositoryId }) => ({ id: repositoryId }),
      read: (data) => [repository(data.repository)],
    },
    postgraphile: {
      query: `query Get($org: String!, $id: String!) { repositoryByOrgIdAndRowId(orgId: $org, rowId: $id) { ${PEER_REPOSITORY} } }`,
      variables: ({ orgId, repositoryId }) => ({ org: orgId, id: repositoryId }),
      read: (data) => [repository(data.repositoryByOrgIdAndRowId)],
    },
  },
  {
    name: 'list',
    title: '20 repositories',
    share: 20,
    orgate: {
      query: `query List { repositories(first: 20) { nodes { ${REPOSITORY} } ${PAGE} } }`,
      variables: () => ({}),
      read: ({ repositories }) => page(repositories.pageInfo, repositories.nodes.map(repository)),
    },
    postgraphile: {
      query: `query List($org: String!) {
        allRepositories(first: 20, condition: { orgId: $org }, orderBy: [NAME_ASC]) { nodes { ${PEER_REPOSITORY} } ${PAGE} }
      }`,
      variables: ({ orgId }) => ({ org: orgId }),
      read: ({ allRepositories }) => page(allRepositories.pageInfo, allRepositories.nodes.map(repository)),
    },
  },
  {
    name: 'nested',
    title: '20 repositories, latest 5 runs each, who started them',
    share: 15,
    orgate: {
      query: `query Nested {
        repositories(first: 20) {
          nodes { ${REPOSITORY} runs(first: 5) { nodes { ${RUN} createdBy { id name email } } } }
          ${PAGE}
        }
      }`,
      variables: () => ({}),
      read: ({ repositories }) =>
        page(
          repositories.pageInfo,
          repositories.nodes.map(({ runs, ...rest }) => ({
            ...repository(rest),
            runs: runs.nodes.map(({ createdBy, ...each }) => ({ ...run(each), createdBy })),
          })),
        ),
    },
    postgraphile: {
      query: `query Nested($org: String!) {
        allRepositories(first: 20, condition: { orgId: $org }, orderBy: [NAME_ASC]) {
          nodes {
            ${PEER_REPOSITORY}
            runsByOrgIdAndRepositoryId(first: 5, orderBy: [ROW_ID_DESC]) {
              nodes { ${PEER_RUN} membershipByOrgIdAndCreatedBy { userId name email } }
            }
          }
          ${PAGE}
        }
      }`,
      variables: ({ orgId }) => ({ org: orgId }),
      read: ({ allRepositories }) =>
        page(
          allRepositories.pageInfo,
          allRepositories.nodes.map(({ runsByOrgIdAndRepositoryId: runs, ...rest }) => ({
            ...repository(rest),
            runs: runs.nodes.map(({ membershipByOrgIdAndCreatedBy: { userId, name, email }, ...each }) => ({
              ...run(each),
              createdBy: { id: userId, name, email },
            })),
          })),
        ),
    },
  },
  {
    name: 'runs',
    title: '100 runs by status, past a cursor',
    share: 15,
    orgate: {
      query: `query Runs($after: String) {
        runs(first: 100, after: $after, filter: { status: [SUCCEEDED] }) { nodes { ${RUN} } ${PAGE} }
      }`,
      variables: ({ cursor }) => ({ after: cursor }),
      read: ({ runs }) => page(runs.pageInfo, runs.nodes.map(run)),
    },
    postgraphile: {
      query: `query Runs($org: String!, $after: Cursor) {
        allRuns(first: 100, after: $after, condition: { orgId: $org, status: "SUCCEEDED" }, orderBy: [ROW_ID_DESC]) {
          nodes { ${PEER_RUN} } ${PAGE}
        }
      }`,
      variables: ({ orgId, cursor }) => ({ org: orgId, after: cursor }),
      read: ({ allRuns }) => page(allRuns.pageInfo, allRuns.nodes.map(run)),
    },
  },
  {
    name: 'create',
    title: 'A create',
    share: 10,
    orgate: {
      query: `mutation Create($name: String!, $gitUrl: String!) {
        createRepository(input: { name: $name, gitUrl: $gitUrl }) { ${REPOSITORY} }
      }`,
      variables: () => ({ name: `${CREATED_PREFIX}${UNIQUE}`, gitUrl: 'https://git.example/created.git' }),
      read: ({ createRepository }) => [created(createRepository)],
    },
    postgraphile: {
      query: `mutation Create($org: String!, $id: String!, $name: String!, $gitUrl: String!) {
        createRepository(input: { repository: { orgId: $org, rowId: $id, name: $name, gitUrl: $gitUrl } }) {
          repository { ${PEER_REPOSITORY} }
        }
      }`,
      variables: ({ orgId }) => ({
        org: orgId,
        id: `rep_01kb0000000000${UNIQUE}`,
        name: `${CREATED_PREFIX}${UNIQUE}`,
        gitUrl: 'https://git.example/created.git',
      }),
      read: (data) => [created(data.createRepository.repository)],
    },
  },
];

/** Of what was made just now, only what both must agree on. */
const created = ({ name, gitUrl, branch, description, id, createdAt }) => ({
  name: name.slice(0, CREATED_PREFIX.length),
  gitUrl,
  branch,
  description,
  hasId: /^rep_[0-9a-v]{26}$/.test(id),
  isNew: Math.abs(Date.now() - Date.parse(createdAt)) < 60_000,
});

/** Where the second page of the runs begins: asked of each gateway in its own words, because cursors are its own. */
export const firstRuns = (dialect) => {
  const { runs, allRuns } = dialect;
  return (runs ?? allRuns).pageInfo.endCursor;
};

/** How many rows an answer holds, nested ones included. */
export const countRows = (rows) =>
  rows.reduce(
    (sum, row) => sum + ('hasNextPage' in row ? 0 : 1) + countRows(row.runs ?? []) + (row.createdBy ? 1 : 0),
    0,
  );
