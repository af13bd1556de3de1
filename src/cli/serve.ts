import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { pino } from 'pino';
import { InputError } from '../runtime/index.ts';
import { loadCatalogue, serve, standardOutput } from '../server/index.ts';
import { demoFolder } from './demo-folder.ts';
import { withDemoModels } from './demo-models.ts';
import { count, threads } from './options.ts';
import { version } from './version.ts';

/** `sparring serve`: attacks over HTTP, the models, and the demo. */
export function serveCommand() {
  return new Command('serve')
    .description('Serve a trained run over HTTP: attacks, models, the demo.')
    .option('--run <dir>', 'run folder', 'runs/latest')
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0 takes a free one', port, 8080)
    .option('--workers <n>', 'worker processes that attack', threads, Math.max(1, availableParallelism() - 1))
    .option('--threads <n>', 'threads of ONNX Runtime in each worker', threads, 1)
    .option('--batch <n>', 'images of concurrent requests that are attacked together', count, 16)
    .option('--queue <n>', 'images that may wait; more are answered 429', count, 256)
    .option('--max-images <n>', 'images in one request', count, 64)
    .option('--max-body <bytes>', 'bytes of a body', count, 2 * 1024 * 1024)
    .option('--timeout <ms>', 'from request to answer, and for a body to come in', count, 15_000)
    .option('--max-connections <n>', 'connections at a time; more are closed at once', count, 2048)
    .option('--drain-timeout <ms>', 'for requests in work when SIGTERM or SIGINT comes', count, 30_000)
    .option('--open-cells <n>', 'attackers that each worker keeps in memory', count, 8)
    .addOption(
      new Option('--token <token>', 'ask for Authorization: Bearer <token> on attacks, models and metrics')
        .env('SPARRING_TOKEN')
        .argParser(token),
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
        demo: await demoFolder(),
        docsScript: docsScript(),
        version,
      }).catch((error: unknown) => {
        throw explained(error, flags);
      });
      const { cells, run } = catalogue;
      const address = `http://${flags.host.includes(':') ? `[${flags.host}]` : flags.host}:${serving.port}/`;
      process.stderr.write(
        `${address} serves ${run}: ${cells.length === 1 ? '1 attacker' : `${cells.length} attackers`}, ` +
          `${flags.workers === 1 ? '1 worker' : `${flags.workers} workers`}; see ${address}docs\n`,
      );
      await signalled();
      process.stderr.write('finishing the requests in work\n');
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

/** RFC 6750's characters; an empty token, as of a variable that is not set, would be no lock at all. */
function token(text: string): string {
  if (!/^[\w~+/.-]+=*$/.test(text)) {
    throw new InvalidArgumentError('It must be one or more letters, digits or -._~+/.');
  }
  return text;
}

/** The script of the docs page: copied into a built package, else where the checkout has installed it. */
function docsScript(): string | null {
  const copied = fileURLToPath(new URL('../server/openapi-explorer.js', import.meta.url));
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
      return new InputError(`--host ${host} is no address of this machine; try 127.0.0.1 or 0.0.0.0`, {
        cause: error,
      });
    default:
      return error;
  }
}

/** Done on the first SIGTERM or SIGINT; the second ends the process. */
async function signalled(): Promise<void> {
  await new Promise<void>((resolve) => {
    let again = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (again) process.exit(signal === 'SIGINT' ? 130 : 143);
      again = true;
      resolve();
    };
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  });
}
