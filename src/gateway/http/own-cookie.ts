/** Of every cookie here: out of reach of scripts; sent along by links from other sites, but not by their forms and requests. */
export const OWN_COOKIE = { path: '/', secure: true, httpOnly: true, sameSite: 'lax' } as const;
