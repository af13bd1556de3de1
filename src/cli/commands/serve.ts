import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { pino } from 'pino';
import { InputError } from '../../runtime/index.ts';
import { clientsBy, serve, standardOutput } from '../../server/index.ts';
import { withAdoptOptions, type AdoptFlags } from '../adopt-options.ts';
import { demandNoModelFlags, serveModel, withModelOptions, type ModelFlags } from '../serve/options.ts';
import { modelSubject, runSubject } from '../serve/subject.ts';
import { count, folder, repeated, threads } from '../options.ts';
import { onStop, quitHint, type StopSignal } from '../signals.ts';
import { version } from '../version.ts';

/** `sparring serve`: attacks over HTTP on a model of one's own, or with the attackers of a run. */
export function serveCommand() {
  const command = new Command('serve')
    .description(
      'Serve attacks over HTTP: on an ONNX image classifier, or by the attackers of a trained run.',
    )
    .argument('[model]', 'an ONNX file, or a run folder (default: runs/latest)')
    .optionsGroup('Server:')
    .option('--run <dir>', 'run folder', folder)
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all', host, '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0 takes a free one', port, 8080)
    .option('--workers <n>', 'worker processes that attack', threads, Math.max(1, availableParallelism() - 1))
    .option('--threads <n>', 'threads of ONNX Runtime in each worker', threads, 1)
    .optionsGroup('Limits:')
    .option('--batch <n>', 'images of concurrent requests that are done together', count, 16)
    .option('--queue <n>', 'images that may wait; more are answered 429', count, 256)
    .option('--client-queue <n>', 'images of one client that may wait (default: half of the queue)', count)
    .option('--max-images <n>', 'images in one request (default: 64, of a model 16)', count)
    .option(
      '--max-body <bytes>',
      'bytes in the body of one request (default: 2097152, or what the images of a model need)',
      count,
    )
    .option(
      '--timeout <ms>',
      'milliseconds from a request to its answer, and for a body to arrive (default: 15000, of a model 60000)',
      count,
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
    .option('--cors <origin>', 'an origin whose pages may use the server, or *; repeat it for more', repeated)
    .option(
      '--allow-host <name>',
      'a name besides localhost that requests may call it by; only heeded on a loopback address without a token; repeat it for more',
      repeated,
    )
    .option('--client-header <name>', 'a header in which a proxy says the address of its client')
    .addOption(
      new Option('--log-level <level>', 'JSON lines on stdout')
        .choices(['error', 'warn', 'info', 'silent'])
        .default('info'),
    )
    .action(async (named, flags, self) => {
      refuseToken(flags.token);
      if (named !== undefined && flags.run !== undefined) {
        throw new InputError(`give ${named} or --run ${flags.run}, not both`);
      }
      const isModel = named !== undefined && !(await isFolder(named));
      if (!isModel) demandNoModelFlags(self);
      const maxImages = flags.maxImages ?? (isModel ? 16 : 64);
      if (maxImages > flags.queue) {
        throw new InputError(
          `--max-images ${maxImages} is more than the ${flags.queue} of --queue: such a request would never fit`,
        );
      }
      const clientQueue = flags.clientQueue ?? Math.max(maxImages, Math.ceil(flags.queue / 2));
      if (maxImages > clientQueue) {
        throw new InputError(
          `--max-images ${maxImages} is more than the ${clientQueue} of --client-queue: such a request would never fit`,
        );
      }
      const subject = isModel
        ? await modelSubject(
            await serveModel(named, self.opts() as ModelFlags & Omit<AdoptFlags, 'resize'>),
            maxImages,
          )
        : await runSubject(named ?? flags.run ?? 'runs/latest');
      const output = standardOutput();
      const log = pino({ level: flags.logLevel }, output);
      const body = flags.maxBody ?? subject.body;
      const timeout = flags.timeout ?? (isModel ? 60_000 : 15_000);
      const serving = await serve({
        ...flags,
        ...subject.options,
        clientQueue,
        clientOf: clientsBy(flags.clientHeader),
        log,
        droppedLogLines: output.dropped,
        timeout,
        limits: { images: maxImages, body, bodies: Math.max(32 * subject.smallBody, 4 * body) },
        requestTimeout: timeout,
        drainDelay: 500,
        origins: flags.cors ?? [],
        docsScript: docsScript(),
        version,
      }).catch(async (error: unknown) => {
        await subject.end();
        throw explained(error, flags);
      });
      const terminal = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
      const reloads = subject.reload !== null && !terminal;
      // listens before the line below says that there is a server to stop
      const stop = stopped(reloads ? ['SIGINT', 'SIGTERM'] : undefined);
      if (reloads) process.on('SIGHUP', () => void subject.reload!(serving, log));
      const address = `http://${flags.host.includes(':') ? `[${flags.host}]` : flags.host}:${serving.port}/`;
      process.stderr.write(
        `${address} serves ${subject.what}, ` +
          `${flags.workers === 1 ? '1 worker' : `${flags.workers} workers`}; see ${address}docs\n`,
      );
      const signal = await stop;
      process.stderr.write(`${signal}: finishing the requests in progress; ${quitHint}\n`);
      const answered = await serving.drain();
      await subject.end();
      await output.flush(500);
      // lines that nobody reads would hold the process for ever
      setTimeout(() => process.exit(), 500).unref();
      if (!answered) throw new Error(`not all requests were done in ${flags.drainTimeout} ms`);
    });
  return withAdoptOptions(withModelOptions(command), ['resize', 'interpolation']);
}

const isFolder = async (path: string): Promise<boolean> =>
  await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );

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
const stopped = (signals: readonly StopSignal[] | undefined): Promise<StopSignal> =>
  new Promise((resolve) => onStop(resolve, signals));
