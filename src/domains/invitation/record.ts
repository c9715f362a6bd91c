import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'invitation.created': 'Someone was invited.',
    'invitation.updated': 'An invitation was sent again or prolonged, or a new one was asked for.',
    'invitation.pending': 'An invitation that was over is open again.',
    'invitation.accepted': 'An invitation was accepted.',
    'invitation.declined': 'An invitation was turned down.',
    'invitation.revoked': 'An invitation was taken back, or nobody stands behind it any more.',
    'invitation.deleted': 'An invitation was deleted.',
    'member.invite': 'Invitations or requests to join were to be read.',
  },
  leaves: {
    inviteUser: 'invitation.created',
    resendInvitation: 'invitation.updated',
    revokeInvitation: 'invitation.revoked',
    acceptInvitation: { inAnother: 'invitation.accepted' },
    declineInvitation: { inAnother: 'invitation.declined' },
    requestNewInvitation: { inAnother: 'invitation.updated' },
  },
  untold: [
    {
      what: 'the mail that brings an invitation, and what became of it',
      because: 'that it was sent is told',
      tables: ['invitation_secret'],
      columns: ['invitation.pending_email', 'invitation.mail_status', 'invitation.mail_problem'],
    },
  ],
} as const satisfies DomainRecord;
