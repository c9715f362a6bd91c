interface Joined {
  readonly joinedAt: Date | null;
}

/** Whether what was made or said then is of the stay that somebody is in: what is of before they were removed and came back is nobody's. */
export const isOfStay = (at: Date, { joinedAt }: Joined): boolean => joinedAt !== null && at >= joinedAt;

/** Now, as what a member makes or says is dated: their stay began in the time of whoever let them in, which may be a moment ahead. */
export const nowInStay = (now: Date, { joinedAt }: Joined): Date =>
  joinedAt !== null && joinedAt > now ? joinedAt : now;
