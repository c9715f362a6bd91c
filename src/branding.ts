/** How an organization wants its pages and mail to look: checked when it was chosen, and null where nothing was. */
export interface Branding {
  readonly displayName: string | null;
  /** An https URL. */
  readonly logoUrl: string | null;
  /** `#rrggbb` each, with enough contrast to be read. */
  readonly colours: { readonly primary: string; readonly onPrimary: string } | null;
  readonly supportEmail: string | null;
}
