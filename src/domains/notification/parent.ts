import type { NotificationKind, NotificationWay } from '../../generated/enums.js';

/** In which ways somebody is told of one kind of thing. */
export interface NotificationPreferenceParent {
  readonly kind: NotificationKind;
  readonly ways: NotificationWay[];
}
