/** What a test's daemon sends at the step at which its client is to end. */
export const CLIENT_ENDS = 'the client ends';
