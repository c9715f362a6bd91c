/** What the rows of a page of a download have together at the most, in bytes of JSON; a row that has more comes alone. */
export const PAGE_BYTES = 128 * 1024;
