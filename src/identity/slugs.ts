/** For how many days a slug that was given up leads on to its organization, and for how many nobody else may take it. */
export const LEADS_DAYS = 90;
export const HELD_DAYS = 180;

/** When it was given up that is over now. @param moved by how many milliseconds the clock was moved, as a parameter */
const daysAgo = (days: number, moved: string): string =>
  `current_timestamp + ${moved} * interval '1 millisecond' - interval '${days} days'`;

/** A slug that leads to its organization: the one in use, and for some time those before it. */
export const leads = (alias: string, moved: string): string =>
  `${alias}.kind = 'SLUG' and (${alias}.given_up_at is null or ${alias}.given_up_at > ${daysAgo(LEADS_DAYS, moved)})`;

/** The organization that a name, an id or a slug, stands for. */
export const organizationNamed = (name: string, moved: string): string =>
  `coalesce((select a.org_id from address a where a.name = ${name} and ${leads('a', moved)}), ${name})`;

/** A name that nobody else may take. */
export const isHeld = (alias: string, moved: string): string =>
  `(${alias}.given_up_at is null or ${alias}.given_up_at > ${daysAgo(HELD_DAYS, moved)})`;

/**
 * A domain that serves as a host: proved, and switched to serve by the one organization that holds it. Where two do, which the
 * database's constraints forbid, neither is served.
 */
const serves = (alias: string): string =>
  `${alias}.kind = 'DOMAIN' and ${alias}.org_id = (select case when count(*) = 1 then min(d.org_id) end
    from organization_domain d where d.name = ${alias}.name and d.serving)`;

/** The same where the name may have come as the host of a request, too: a domain has a dot, which no id and no slug has. */
export const organizationAt = (name: string, moved: string): string =>
  `coalesce((select a.org_id from address a where a.name = ${name} and ((${leads('a', moved)}) or (${serves('a')}))), ${name})`;

/** Frees a slug that nobody holds any more, so that it can be taken: by its name, and by how much the clock was moved. */
export const FREE_SLUG = `delete from address where name = $1 and given_up_at <= ${daysAgo(HELD_DAYS, '$2')}`;

/** The same of whatever nobody holds, so many at a time. */
export const FREE_SLUGS = `
  delete from address where name in (
    select name from address where given_up_at <= ${daysAgo(HELD_DAYS, '$1')} order by given_up_at limit $2)`;
