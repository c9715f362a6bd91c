import type { Row } from '../../data/organization/table.js';

export type AgentRepositoryParent = Row<'Repository'>;
