// Loaded into every test process: a process warning (a leaked listener, a deprecation) is a failure, not
// noise.
process.on('warning', (warning) => {
  process.stderr.write(`${warning.stack ?? warning.message}\n`);
  throw warning;
});
