import { AppError, isAppError, messageOf, printable } from '../../base/errors.ts';
import type { GatewayTarget } from './gateway-name.ts';
import type { PageContent } from './pages.ts';

/** An answer of the gateway itself, instead of a guest's. */
export interface OwnAnswer {
  status: number;
  content: PageContent;
  /** the page also lists the user's VMs */
  listsVms?: true;
}

const HOW =
  'NAME.localhost is the first web server of the VM NAME, and PORT.NAME.localhost is its port PORT, both at the port of this page.';

/** The answer to a request whose `Host` is not a name below `localhost`. */
export function foreignHost(host: string | undefined): OwnAnswer {
  return {
    status: 403,
    content: {
      title: 'Refused: not a name below localhost',
      text: [
        `The request is for "${printable(host ?? '').slice(0, 100)}". This gateway to your VMs only serves NAME.localhost, so that no site on the internet can reach them with a name of its own.`,
      ],
    },
  };
}

/** The answer to a request that a page of another site sent. */
export function foreignOrigin(origin: string | undefined): OwnAnswer {
  return {
    status: 403,
    content: {
      title: 'Refused: a page of another site sent this request',
      text: [
        `Its origin is "${printable(origin ?? '').slice(0, 100)}". Only pages of localhost and of names below it may send requests to VMs.`,
      ],
    },
  };
}

/** The list of VMs, for a name that is none of theirs or for `localhost`. */
export function indexAnswer(target: Exclude<GatewayTarget, { kind: 'foreign' }>): OwnAnswer {
  if (target.kind === 'index') {
    return { status: 200, content: { title: 'Your VMs', text: [HOW] }, listsVms: true };
  }
  const name = printable(target.name);
  return {
    status: 404,
    content: {
      title: `There is no VM "${name}"`,
      text: [HOW, 'These are your VMs:'],
    },
    listsVms: true,
  };
}

/** The answer for a VM that neither runs nor is suspended. */
export function notRunning(name: string, state: string): OwnAnswer {
  return {
    status: 503,
    content: {
      title: `VM "${name}" is not running`,
      text: [
        ['creating', 'starting'].includes(state)
          ? `It is ${state}. Load this page again in a moment.`
          : `It is ${state}. To start it: banger vm start ${name}`,
      ],
    },
  };
}

/** The answer for a VM in which no web server listens. */
export function noWebServer(name: string): OwnAnswer {
  return {
    status: 502,
    content: {
      title: `No web server is running in VM "${name}"`,
      text: [
        'None of its ports answers HTTP.',
        `To see what listens: banger vm ports ${name}`,
        'A server that has just been started may need a moment; then load this page again.',
      ],
    },
  };
}

/** The answer when the guest could not be reached, or did not answer HTTP. */
export function guestFailed(name: string, port: number | undefined, error: unknown): OwnAnswer {
  const where = port === undefined ? `VM "${name}"` : `Port ${port} of VM "${name}"`;
  const hint = error instanceof AppError && error.hint !== undefined ? [`Next step: ${error.hint}`] : [];
  return {
    status: isAppError(error, 'WAIT_TIMEOUT') ? 504 : 502,
    content: { title: `${where} does not answer`, text: [messageOf(error), ...hint] },
  };
}
