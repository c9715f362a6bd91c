/**
 * Which organization this tab works in: its address says so, and nothing that tabs share. The gateway's sign-in page writes
 * `?organization=<slug>` there as well when it sends people back.
 */
export const organizationOfTab = (): string | null => new URLSearchParams(location.search).get('organization');

/** The address of this page in another organization, or in none. */
export function addressIn(organization: string | null): string {
  const url = new URL(location.href);
  if (organization === null) url.searchParams.delete('organization');
  else url.searchParams.set('organization', organization);
  return url.href;
}
