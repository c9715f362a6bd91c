import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'join_request.created': 'Someone asked to join.',
    'join_request.updated': 'Something of a request to join changed that is not its status.',
    'join_request.pending': 'Someone asked to join again.',
    'join_request.approved': 'Whoever asked to join was let in.',
    'join_request.declined': 'Whoever asked to join was not let in.',
    'join_request.deleted': 'A request to join was dropped.',
  },
  leaves: {
    requestToJoin: { inAnother: 'join_request.created' },
    setDomainJoining: 'domain.updated',
    approveJoinRequest: 'join_request.approved',
    declineJoinRequest: 'join_request.declined',
    clearRemoval: 'membership.updated',
  },
} as const satisfies DomainRecord;
