import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { pino } from 'pino';
import { InputError } from '../../runtime/index.ts';
import { loadCatalogue, serve, standardOutput } from '../../server/index.ts';
import { demoFolder } from '../experiment/demo-folder.ts';
import { withDemoModels } from '../experiment/demo-models.ts';
import { pageFiles } from '../experiment/demo-page.ts';
import { count, folder, threads } from '../options.ts';
import { onStop, quitHint, type StopSignal } from '../signals.ts';
import { version } from '../version.ts';

/** `sparring serve`: attacks over HTTP, the models, and the demo. */
export function serveCommand() {
  return new Command('serve')
    .description('Serve a trained run over HTTP: attacks, models, the demo.')
    .optionsGroup('Server:')
    .option('--run <dir>', 'run folder', folder, 'runs/latest')
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all', host, '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0 takes a free one', port, 8080)
    .option('--workers <n>', 'worker processes that attack', threads, Math.max(1, availableParallelism() - 1))
    .option('--threads <n>', 'threads of ONNX Runtime in each worker', threads, 1)
    .optionsGroup('Limits:')
    .option('--batch <n>', 'images of concurrent requests that are attacked together', count, 16)
    .option('--queue <n>', 'images that may wait; more are answered 429', count, 256)
    .option('--max-images <n>', 'images in one request', count, 64)
    .option('--max-body <bytes>', 'bytes in the body of one request', count, 2 * 1024 * 1024)
    .option(
      '--timeout <ms>',
      'milliseconds from a request to its answer, and for a body to arrive',
      count,
      15_000,
    )
    .option('--max-connections <n>', 'connections at a time; more are closed at once', count, 2048)
    .option('--drain-timeout <ms>', 'milliseconds to finish requests after a signal to stop', count, 30_000)
    .option('--open-cells <n>', 'attackers that each worker keeps in memory', count, 8)
    .optionsGroup('Access and log:')
    .addOption(
      // checked below: commander's messages would repeat the secret
      new Option(
        '--token <token>',
        'ask for Authorization: Bearer <token> on attacks, models and metrics',
      ).env('SPARRING_TOKEN'),
    )
    .option('--cors <origins...>', 'origins whose pages may use the server, or *')
    .option(
      '--allow-host <names...>',
      'names besides localhost that requests may call it by; only heeded on a loopback address without a token',
    )
    .addOption(
      new Option('--log-level <level>', 'JSON lines on stdout')
        .choices(['error', 'warn', 'info', 'silent'])
        .default('info'),
    )
    .action(async (flags) => {
      refuseToken(flags.token);
      if (flags.maxImages > flags.queue) {
        throw new InputError(
          `--max-images ${flags.maxImages} is more than the ${flags.queue} of --queue: such a request would never fit`,
        );
      }
      const trained = await loadCatalogue(flags.run);
      if (trained.cells.length > 1) {
        process.stderr.write(`preparing ${trained.cells.length} attackers, half a second each\n`);
      }
      const catalogue = await withDemoModels(trained);
      const demo = await demoFolder();
      const output = standardOutput();
      const log = pino({ level: flags.logLevel }, output);
      const serving = await serve({
        ...flags,
        catalogue,
        log,
        droppedLogLines: output.dropped,
        limits: { images: flags.maxImages, body: flags.maxBody },
        requestTimeout: flags.timeout,
        drainDelay: 500,
        origins: flags.cors ?? [],
        demo,
        demoFiles: await pageFiles(flags.run, catalogue, demo, null),
        docsScript: docsScript(),
        version,
      }).catch((error: unknown) => {
        throw explained(error, flags);
      });
      // listens before the line below says that there is a server to stop
      const stop = stopped();
      const { cells, run } = catalogue;
      const address = `http://${flags.host.includes(':') ? `[${flags.host}]` : flags.host}:${serving.port}/`;
      process.stderr.write(
        `${address} serves ${run}: ${cells.length === 1 ? '1 attacker' : `${cells.length} attackers`}, ` +
          `${flags.workers === 1 ? '1 worker' : `${flags.workers} workers`}; see ${address}docs\n`,
      );
      const signal = await stop;
      process.stderr.write(`${signal}: finishing the requests in progress; ${quitHint}\n`);
      const answered = await serving.drain();
      await output.flush(500);
      // lines that nobody reads would hold the process for ever
      setTimeout(() => process.exit(), 500).unref();
      if (!answered) throw new Error(`not all requests were done in ${flags.drainTimeout} ms`);
    });
}

function port(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError(`It must be an integer from 0 to 65535, got ${text}.`);
  }
  return Number(text);
}

/** An empty address, as of a variable that is not set, would be every address of the machine. */
function host(text: string): string {
  if (text.trim() === '') {
    throw new InvalidArgumentError(
      'It must not be empty; 127.0.0.1 is this machine alone, 0.0.0.0 every interface.',
    );
  }
  return text;
}

/** RFC 6750's characters; an empty token, as of a variable that is not set, would be no lock at all. */
function refuseToken(text: string | undefined): void {
  if (text === undefined || /^[\w~+/.-]+=*$/.test(text)) return;
  throw new InputError(
    'the token of --token or SPARRING_TOKEN must be one or more letters, digits or -._~+/, then any number of =',
  );
}

/** The script of the docs page: copied into a built package, else where the checkout has installed it. */
function docsScript(): string | null {
  const copied = fileURLToPath(new URL('../../server/openapi-explorer.js', import.meta.url));
  if (existsSync(copied)) return copied;
  try {
    return createRequire(import.meta.url).resolve('openapi-explorer/dist/browser/openapi-explorer.min.js');
  } catch {
    return null;
  }
}

function explained(
  error: unknown,
  { host, port: number }: { readonly host: string; readonly port: number },
): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new InputError(`port ${number} of ${host} is in use; choose another --port`, { cause: error });
    case 'EACCES':
      return new InputError(`port ${number} is not permitted; choose a --port above 1023`, { cause: error });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new InputError(`--host ${host} is not an address of this machine; try 127.0.0.1 or 0.0.0.0`, {
        cause: error,
      });
    default:
      return error;
  }
}

/** Done on the first signal that asks to stop. */
const stopped = (): Promise<StopSignal> => new Promise((resolve) => onStop(resolve));
