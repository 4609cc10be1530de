// The fidelity tests again, with working trees that get to the guest in the base image of a work disk.
process.env['BANGER_TEST_WAY_IN'] = 'base';
await import('./fidelity.test.ts');
await import('./special-repositories.test.ts');
await import('./random-repositories.test.ts');
