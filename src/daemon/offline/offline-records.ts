/** What is known of a database without changing it; `checkRecords` of the store finds it. */
export type RecordsFinding =
  | { outcome: 'compatible'; schema: number | undefined }
  | { outcome: 'migrates'; pending: number[] }
  | { outcome: 'incompatible'; schema: number; writer: string | undefined };

/** What can be done with a database of records that another version may be using. */
export interface OfflineRecords {
  check: (path: string) => RecordsFinding;
  copy: (path: string, target: string) => boolean;
  restore: (path: string) => string | undefined;
}
