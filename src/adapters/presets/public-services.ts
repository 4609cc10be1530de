/** What git over HTTPS and ssh, releases, archives and the API of GitHub need. */
export const GITHUB_RULES = [
  'github.com:22',
  'github.com:443',
  'ssh.github.com:443',
  'api.github.com:443',
  'codeload.github.com:443',
  'uploads.github.com:443',
  '*.githubusercontent.com:443',
] as const;

/** What pulls of images from Docker's own registry need. */
export const DOCKER_RULES = [
  'registry-1.docker.io:443',
  'auth.docker.io:443',
  'index.docker.io:443',
  'production.cloudflare.docker.com:443',
] as const;
