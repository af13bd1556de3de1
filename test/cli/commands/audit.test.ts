import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { Audit } from '../../../src/runtime/audit/document.ts';
import { auditJsonSchema } from '../../../src/runtime/audit/json-schema.ts';
import { openImages } from '../../../src/runtime/data/formats.ts';
import { decodeSafetensors } from '../../../src/runtime/safetensors.ts';
import { start } from '../../support/cli.ts';
import { command } from '../../support/command.ts';
import { digits, type Digits } from '../../support/examples.ts';
import { root } from '../../support/package.ts';
import { scaledTo255, traps } from '../../support/traps.ts';

let folder: string;
let known: Digits;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-audit-'));
  ({ known } = await digits(1));
  await writeFile(join(folder, 'plain.onnx'), traps.plain(known));
  await writeFile(join(folder, 'rounded.onnx'), traps.rounded(known));
  await writeFile(join(folder, 'bytes.onnx'), scaledTo255(known));
  await writeFile(join(folder, 'text.onnx'), 'no model');
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const at = (...names: readonly string[]): string => join(folder, ...names);
/** The machine that all run on: one thread of the CPU. */
const usual = ['--data', 'mnist', '--eps', '0.1', '--device', 'cpu', '--threads', '1'];
const words = (model: string, out: string, ...more: readonly string[]): readonly string[] => [
  'audit',
  at(model),
  ...usual,
  '--out',
  at(out),
  ...more,
];
const few = ['--images', '60', '--attacks', 'noise,fgsm,pgd', '--eps-curve', 'none'];
const acceptWeak = ['--accept', 'weak-attacks'];
const read = async (out: string): Promise<Audit> =>
  Audit.parse(JSON.parse(await readFile(at(out, 'audit.json'), 'utf8')));
/** What must be the same when an audit is repeated. */
const settled = (audit: Audit) => ({ ...audit, timing: null, command: null });

describe('sparring audit', () => {
  test('prints the figures and writes an audit whose arrays agree with them', async () => {
    const { code, stdout, stderr } = await command(...words('plain.onnx', 'plain', '--images', '60'));
    expect(stderr).not.toContain('sparring:');
    expect(stderr.split('\n')[0]).toBe(
      'mnist: 60 of 10,000 images, drawn at random, of each class its share (--seed 1)',
    );
    expect(code).toBe(0);
    expect((await readdir(at('plain'))).toSorted()).toEqual([
      'adversarial.safetensors',
      'audit.html',
      'audit.json',
      'audit.md',
      'worst.png',
    ]);
    const audit = await read('plain');
    expect(audit).toMatchObject({ schema: 2, images: 60, complete: true, verdict: 'none', preset: 'quick' });
    expect(audit.data.chosen).toBe('spread');
    expect(audit.byClass.map(({ images }) => images).every((images) => images >= 4 && images <= 8)).toBe(
      true,
    );
    expect(stdout).toContain('60 of 10000 images');
    const percent = `${(100 * audit.worst.accuracy).toFixed(1)} %`;
    expect(stdout).toMatch(new RegExp(`worst case .* ${percent.replace('.', String.raw`\.`)}`));
    const { tensors } = decodeSafetensors(await readFile(at('plain', 'adversarial.safetensors')), 'it');
    const { read: original } = await openImages('mnist');
    const numbers = tensors.get('numbers')!.data as Int32Array;
    const places = tensors.get('places')!.data as Int32Array;
    const { image, label } = await original(Array.from(places, (place) => numbers[place]!));
    expect(tensors.get('originals')!.data).toEqual(image.data);
    expect(label.data).toEqual(places.map((place) => (tensors.get('labels')!.data as Int32Array)[place]!));
    expect(audit.samples.map(({ place, number }) => number === numbers[place])).not.toContain(false);
    const part = (name: string): number => {
      const mask = tensors.get(`masks/${name}`)!.data as Uint8Array;
      return mask.reduce((sum, flag) => sum + flag, 0) / mask.length;
    };
    const figures = Object.entries({ ...audit.attacks, clean: audit.clean, worst: audit.worst });
    expect(figures.map(([name]) => [name, part(name)])).toEqual(
      figures.map(([name, { accuracy }]) => [name, accuracy]),
    );
    expect(audit.byClass.reduce((sum, row) => sum + row.worst * row.images, 0) / 60).toBeCloseTo(
      audit.worst.accuracy,
      9,
    );
    expect(await readFile(at('plain', 'audit.md'), 'utf8')).toContain(
      `| **Every attack (robust accuracy, an upper bound)** | ${percent} |`,
    );
    expect(await readFile(at('plain', 'audit.html'), 'utf8')).toContain('<h1>plain.onnx</h1>');
  });

  test('exits with 3 when a demand is not met, and says so to CI', async () => {
    vi.stubEnv('GITHUB_STEP_SUMMARY', at('summary.md'));
    const junit = at('junit.xml');
    const { code, stdout } = await command(
      ...words('plain.onnx', 'demand', ...few, ...acceptWeak, '--fail-under', '0.9', '--junit', junit),
    );
    expect(code).toBe(3);
    expect(stdout).toContain('NOT MET: robust accuracy');
    const xml = await readFile(junit, 'utf8');
    expect(xml).toMatch(/<testsuites tests="\d+" failures="1"/);
    expect(xml).toContain('name="fail-under"><failure message="robust accuracy');
    expect(await readFile(at('summary.md'), 'utf8')).toContain('## Robustness of plain.onnx');
  });

  test('a robust accuracy that is in doubt meets no demand', async () => {
    const flags = [...few.slice(0, 2), '--attacks', 'noise', '--eps-curve', 'none', '--fail-under', '0.1'];
    const { code, stdout } = await command(...words('rounded.onnx', 'doubt', ...flags, '--json'));
    expect(code).toBe(3);
    const audit = Audit.parse(JSON.parse(stdout));
    expect(audit.demands[0]!.text).toContain('in doubt: no-gradient, zero-gradient, weak-attacks (--accept)');
    const accepted = await command(
      ...words('rounded.onnx', 'doubt', ...flags, '--accept', 'no-gradient,zero-gradient,weak-attacks'),
    );
    expect(accepted.code).toBe(0);
  });

  test('weak attacks meet no demand, however much they leave', async () => {
    const flags = ['--images', '60', '--attacks', 'noise', '--eps-curve', 'none', '--fail-under', '0.5'];
    const { code, stdout } = await command(...words('plain.onnx', 'weak', ...flags, '--json'));
    expect(Audit.parse(JSON.parse(stdout)).demands[0]!.text).toContain('in doubt: weak-attacks (--accept)');
    expect(code).toBe(3);
  });

  test('compares with an earlier audit', async () => {
    await command(...words('plain.onnx', 'before', ...few));
    const baseline = at('before', 'audit.json');
    const same = await command(
      ...words('plain.onnx', 'after', ...few, ...acceptWeak, '--baseline', baseline),
    );
    expect(same.code).toBe(0);
    const better = { ...(await read('before')), worst: { accuracy: 1, interval: { low: 0.94, high: 1 } } };
    await writeFile(at('better.json'), JSON.stringify(better));
    const worse = await command(
      ...words('plain.onnx', 'after', ...few, ...acceptWeak, '--baseline', at('better.json')),
    );
    expect(worse.code).toBe(3);
  });

  describe('rejects an earlier audit that is no measure for this one', () => {
    beforeAll(async () => {
      await command(...words('plain.onnx', 'earlier', ...few));
    });
    const swap = (flag: string, value: string) => [...few, ...acceptWeak, flag, value];
    test.for([
      [swap('--eps', '0.2'), 'is of linf eps 0.1, not linf eps 0.2'],
      [swap('--norm', 'l2'), 'is of linf eps 0.1, not l2 eps 0.1'],
      [swap('--images', '50'), 'is of 60 images, not 50'],
      [swap('--seed', '2'), 'is of seed 1, not 2'],
      [swap('--attacks', 'noise'), 'has attacks that this one will not have: fgsm, pgd'],
      [swap('--attacks', 'noise,fgsm,pgd,apgd'), 'lacks attacks of this one: apgd'],
      [few, 'is in doubt: weak-attacks (--accept)'],
    ] as const)('%o', async ([flags, message]) => {
      const { code, stderr } = await command(
        ...words('plain.onnx', 'later', '--baseline', at('earlier', 'audit.json'), ...flags),
      );
      expect(stderr).toContain(`${message}`);
      expect(stderr).toContain('audit the earlier classifier in the same way first');
      expect(code).toBe(2);
    });

    test('by the settings of an attack, and the data', async () => {
      const earlier = await read('earlier');
      const { pgd, ...others } = earlier.attacks;
      const { chosen: _, ...withoutChoice } = earlier.data;
      const shorter = { ...others, pgd: { ...pgd, settings: { ...pgd!.settings, steps: 10 } } };
      for (const [change, message] of [
        [{ attacks: shorter }, 'has pgd with steps 10, not 40;'],
        [{ data: { ...earlier.data, sha256: '0'.repeat(64) } }, 'is of other data;'],
        [{ data: withoutChoice }, 'is of the first images, as an earlier version took them;'],
        [{ complete: false }, 'was stopped early;'],
      ] as const) {
        await writeFile(at('changed.json'), JSON.stringify({ ...earlier, ...change }));
        const flags = [...few, ...acceptWeak, '--baseline', at('changed.json')];
        expect((await command(...words('plain.onnx', 'later', ...flags))).stderr).toContain(message);
      }
    });
  });

  test('names the way to prepare the pixels with which a model that guesses does not', async () => {
    const { stdout } = await command(...words('bytes.onnx', 'bytes', ...few, '--json'));
    const check = Audit.parse(JSON.parse(stdout)).checks.find(({ id }) => id === 'preparation');
    expect(check!.whatToDo).toBe('Try --scale 0..255.');
  });

  test('a preparation that is wrong is in doubt also where the model is far above guessing', async () => {
    const checksOf = async (scale: string) => {
      const { stdout } = await command(...words('plain.onnx', 'scale', ...few, '--scale', scale, '--json'));
      const { checks, checked } = Audit.parse(JSON.parse(stdout));
      expect(checked).toContain('preparation');
      return checks.filter(({ id }) => id === 'preparation' || id === 'near-chance');
    };
    expect(await checksOf('0..1')).toEqual([]);
    await rm(at('scale'), { recursive: true });
    expect(await checksOf('0..255')).toMatchObject([
      { id: 'preparation', level: 'doubt', whatToDo: 'Try --scale 0..1.' },
    ]);
  });

  test('two shards, merged, give what one run gives', async () => {
    const flags = ['--images', '90', '--batch-size', '25', '--attacks', 'fgsm,apgd', '--eps-curve', '0.2'];
    await command(...words('plain.onnx', 'whole', ...flags));
    for (const i of [1, 2]) await command(...words('plain.onnx', `part${i}`, ...flags, '--shard', `${i}/2`));
    const merged = await command(
      ...words('plain.onnx', 'merged', ...flags, '--merge', at('part1'), at('part2')),
    );
    expect(merged.stderr).toContain('resuming with');
    expect(settled(await read('merged'))).toEqual(settled(await read('whole')));
    const [one, other] = ['merged', 'whole'].map((name) => readFile(at(name, 'adversarial.safetensors')));
    expect((await one!).equals(await other!)).toBe(true);
    expect(merged.stderr).not.toContain('missing');
    const half = await command(...words('plain.onnx', 'half', ...flags, '--merge', at('part1')));
    expect(half.stderr).toMatch(/^[1-9]\d* of [1-9]\d* parts were missing from --merge and are computed$/m);
    expect(settled(await read('half'))).toEqual(settled(await read('whole')));
    const { tensors } = decodeSafetensors(await other!, 'it');
    const masks = [...tensors.keys()].filter((name) => name.startsWith('masks/'));
    expect(masks.toSorted()).toEqual(['apgd', 'clean', 'fgsm', 'worst'].map((name) => `masks/${name}`));
    const wrong = await command(...words('plain.onnx', 'm', ...few, '--merge', at('part1')));
    expect(wrong.stderr).toContain('has no parts of this audit, only of one with other settings');
  });

  test('resumes after kill -9 and after a signal with the same audit', async () => {
    const flags = ['--images', '100', '--batch-size', '10', '--attacks', 'pgd,apgd', '--eps-curve', 'none'];
    await command(...words('plain.onnx', 'straight', ...flags));
    const killed = start(words('plain.onnx', 'killed', ...flags), { cwd: folder });
    await killed.says('pgd  ');
    killed.process.kill('SIGKILL');
    await killed.finished;
    const stopped = start(words('plain.onnx', 'killed', ...flags), { cwd: folder });
    await stopped.says('apgd  ');
    stopped.process.kill('SIGINT');
    const { code, stderr } = await stopped.finished;
    expect(stderr).toContain('resume with: npx sparring audit');
    expect(code).toBe(130);
    const resumed = await command(...words('plain.onnx', 'killed', ...flags));
    expect(resumed.stderr).toContain('resuming with');
    expect(settled(await read('killed'))).toEqual(settled(await read('straight')));
    expect((await readdir(at('killed'))).filter((name) => name.includes('partial'))).toEqual([]);
  });

  test('a shard that the time limit stops exits with 3', async () => {
    const flags = ['--images', '2000', '--attacks', 'square', '--eps-curve', 'none', '--time-limit', '1'];
    const { code, stderr } = await command(...words('plain.onnx', 'late', ...flags, '--shard', '1/2'));
    expect(stderr).toContain('the time is over; resume with: ');
    expect(code).toBe(3);
  });

  test('a time limit ends it with what is measured, and no demand is met', async () => {
    const flags = ['--images', '2000', '--attacks', 'noise,apgd-t,square', '--eps-curve', 'none'];
    const { code } = await command(
      ...words('plain.onnx', 'limit', ...flags, '--time-limit', '2', '--fail-under', '0'),
    );
    const audit = await read('limit');
    expect(code).toBe(3);
    expect(audit.complete).toBe(false);
    expect(audit.notMeasured.at(-1)!.why).toContain('the audit was stopped');
    expect(audit.notMeasured.map(({ what }) => what)).toContain('square');
    expect(audit.attacks).not.toHaveProperty('square');
    const rows = Object.entries(audit.attacks);
    expect(rows.filter(([, { attacked }]) => attacked === 0)).toEqual([]);
    const unfinished = rows.flatMap(([name, row]) => (row.unfinished ? [name] : []));
    const stopped = audit.notMeasured.filter(({ why }) => why.startsWith('the audit was stopped after'));
    expect(unfinished).toEqual(stopped.map(({ what }) => what));
  });
});

describe('what sparring audit rejects, in one line and before it measures', () => {
  test.for([
    [['--norm', 'l1'], "option '--norm <norm>' argument 'l1' is invalid"],
    [['--eps', '0'], 'must be a number above 0'],
    [['--eps', '8'], 'eps must be at most 1 for linf, got 8 (did you mean 8/255?)'],
    [['--fail-under', '40'], 'must be a fraction from 0 to 1, got 40 (did you mean 0.4?)'],
    [['--attacks', 'fgsm,fgsm'], 'fgsm is listed twice'],
    [['--attacks', 'magic'], 'must be some of noise,fgsm'],
    [
      ['--attacks', 'generator'],
      '--attacks generator needs a trained attacker: name its file with --attacker',
    ],
    [['--accept', 'all'], 'must be some of not-a-number'],
    [['--time-limit', 'soon'], 'must be a length of time such as 90s'],
    [['--shard', '3/2'], 'must be i/n'],
    [['--shard', '2/2'], '--shard 2/2: there is only 1 block of at most 100 images; use that many shards'],
    [['--shard', '1/1', '--fail-under', '0.4'], "'--shard <i/n>' cannot be used with option '--fail-under"],
    [['--shard', '1/1', '--json'], "'--shard <i/n>' cannot be used with option '--json'"],
    [['--eps-curve', '0.1,8'], '--eps-curve: eps must be at most 1 for linf, got 8 (did you mean 8/255?)'],
    [['--junit', 'nowhere/x.xml'], 'cannot write nowhere/x.xml: no such file or folder'],
    [['--junit', '.'], 'cannot write .: it is a folder, not a file; choose another (--junit FILE)'],
    [['--baseline', 'none.json'], 'cannot read none.json: no such file'],
    [['--merge', 'none'], '--merge: cannot read none: no such file'],
    [['--data', 'none'], 'cannot read the data set none'],
    [['--out', '/proc/here'], 'cannot write into /proc/here'],
  ] as const)('%o', async ([flags, message]) => {
    const { code, stderr } = await command(...words('plain.onnx', 'bad', ...few, ...flags));
    expect(stderr.trimEnd().split('\n').at(-1)).toContain(message);
    expect(code).toBe(2);
  });

  test.for([
    ['--json'],
    ['--attacks', 'pgd'],
    ['--preset', 'quick'],
    ['--norm', 'l2'],
    ['--scale', '0..255'],
  ])('a property and %s, which it would ignore', async (flags) => {
    const { code, stderr } = await command('audit', at('plain.onnx'), '--vnnlib', 'none.vnnlib', ...flags);
    expect(stderr).toContain(`option '--vnnlib <file>' cannot be used with option '${flags[0]}`);
    expect(code).toBe(2);
  });

  test('a file that is no model', async () => {
    const { code, stderr } = await command(...words('text.onnx', 'bad', ...few));
    expect(stderr).toMatch(/^sparring: .*text\.onnx: /);
    expect(code).toBe(2);
  });

  test('to replace an audit that holds more', async () => {
    await command(...words('plain.onnx', 'full', ...few));
    const less = await command(...words('plain.onnx', 'full', ...few, '--images', '50'));
    expect(less.stderr).toContain(
      'is of 60 images, and this one will be of 50; write elsewhere with --out DIR',
    );
    expect(less.code).toBe(2);
    const other = await command(...words('rounded.onnx', 'full', ...few.slice(0, 2), '--attacks', 'noise'));
    expect(other.stderr).toContain('is of another classifier');
    expect((await command(...words('plain.onnx', 'full', ...few, '--images', '50', '--force'))).code).toBe(0);
  });

  test('a folder in the place of a file', async () => {
    await mkdir(at('taken', 'audit.md'), { recursive: true });
    const { code, stderr } = await command(...words('plain.onnx', 'taken', ...few));
    expect(stderr).toContain('audit.md: it is a folder, not a file');
    expect(code).toBe(2);
  });
});

test('docs/audit.schema.json is the schema of what is written (pnpm tsx scripts/audit-schema.ts)', async () => {
  const published = JSON.parse(await readFile(join(root, 'docs/audit.schema.json'), 'utf8')) as object;
  expect(published).toEqual(JSON.parse(JSON.stringify(auditJsonSchema())));
});
