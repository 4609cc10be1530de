/**
 * Page size of the guest, in `bytes`; a drive ends at a page boundary, so that its file system and
 * device-mapper tables can use all of it.
 */
export const PAGE_BYTES = 4096;
