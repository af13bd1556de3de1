import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { start } from '../../support/cli.ts';
import { command } from '../../support/command.ts';
import { trainable } from '../../support/trainable.ts';

const folder = mkdtempSync(join(tmpdir(), 'harden-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

const model = trainable('outside');
writeFileSync(at('model.onnx'), model.bytes);
writeFileSync(at('weights.bin'), model.external['weights.bin']!);

const small =
  '--data mnist --eps 0.02 --threads 1 --train-limit 300 --validation 50 --batch-size 50 --images 60 ' +
  '--epochs 1 --steps 1 --learning-rate 0.02 --schedule constant';

const harden = (out: string, ...more: readonly string[]) =>
  command('harden', at('model.onnx'), '--out', at(out), ...small.split(' '), ...more);

describe('harden', () => {
  it('writes the model, its weights and a report, and prints both audits', async () => {
    const { code, stdout } = await harden('robust.onnx');
    expect(code).toBe(0);
    expect(stdout).toMatch(/clean +│ +\d+\.\d % │ +\d+\.\d % │/);
    expect(stdout).toContain('trained: 7 initializers');
    expect(stdout).toContain('frozen: 2 initializers (statistics of batch norm)');
    const report = JSON.parse(readFileSync(at('robust.harden.json'), 'utf8')) as Record<string, unknown>;
    expect(report).toMatchObject({ schema: 1, defence: { method: 'pgd', steps: 1 }, best: 1 });
    expect(report['epochs']).toHaveLength(1);
    expect(readFileSync(at('robust.onnx.data')).length).toBe(model.external['weights.bin']!.length);
    const again = await command('inspect', at('robust.onnx'));
    expect(again.code).toBe(0);
  });

  it('does not replace what is there, unless it is told to', async () => {
    const { code, stderr } = await harden('robust.onnx');
    expect(code).toBe(2);
    expect(stderr).toContain('robust.onnx exists; choose another --out FILE, or replace it with --force');
  });

  it.for<readonly [readonly string[], string]>([
    [['--resume'], 'other.checkpoint; leave --resume out'],
    [['--eps', '0'], 'must be a number above 0'],
    [['--eps', '8'], 'eps must be at most 1 for linf, got 8 (did you mean 8/255?)'],
    [['--beta', '2'], '--beta is of --method trades alone, and this is pgd; leave it out'],
    [['--warmup', '5'], 'warmup must be from 0 to the number of epochs, got 5'],
    [['--out', at('model.onnx')], 'is the model itself; choose another file'],
    [['--out', at('nowhere/x.onnx')], 'cannot write'],
    [['--out', at('weights.bin'), '--force'], 'which holds weights of'],
  ])('rejects %j before it trains', async ([more, message]) => {
    const { code, stderr } = await harden('other.onnx', ...more);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  it('never replaces the weights of the model itself, and those of others only when it is told to', async () => {
    const { bytes, external } = trainable('outside', 'own.onnx.data');
    const weights = external['own.onnx.data']!;
    mkdirSync(at('own'));
    writeFileSync(at('own/original.onnx'), bytes);
    writeFileSync(at('own/own.onnx.data'), weights);
    const run = (out: string, ...more: readonly string[]) =>
      command('harden', at('own/original.onnx'), '--out', at(out), ...small.split(' '), ...more);
    const own = await run('own/own.onnx', '--force');
    expect(own.code).toBe(2);
    expect(own.stderr).toContain(
      `--out ${at('own/own.onnx')} would replace ${at('own/own.onnx.data')}, which holds weights of`,
    );
    expect(new Uint8Array(readFileSync(at('own/own.onnx.data')))).toEqual(weights);
    writeFileSync(at('own/taken.onnx.data'), 'of somebody');
    const taken = await run('own/taken.onnx');
    expect(taken.code).toBe(2);
    expect(taken.stderr).toContain('taken.onnx.data exists; choose another --out FILE');
  });

  it('says how the new file is read, where the options or a file beside the old one say it', async () => {
    const plain = await harden('plain.onnx');
    expect(plain.stdout).not.toContain('it is read with');
    const mean = ['--mean', '0.1307', '--std', '0.3081'];
    const told = await harden('told.onnx', ...mean);
    expect(told.stdout).toContain('it is read with --mean 0.1307 --std 0.3081; audit it with these options');
    expect(JSON.parse(readFileSync(at('told.harden.json'), 'utf8'))).toMatchObject({ reading: mean });
    mkdirSync(at('kept'));
    writeFileSync(at('kept/model.onnx'), model.bytes);
    writeFileSync(at('kept/weights.bin'), model.external['weights.bin']!);
    // how pictures are resized says nothing of data that are none
    const size = { size: { shortest_edge: 32 }, crop_size: 28 };
    const processor = { do_normalize: true, image_mean: [0.1307], image_std: [0.3081], ...size };
    writeFileSync(at('kept/preprocessor_config.json'), JSON.stringify(processor));
    const beside = (out: string) =>
      command('harden', at('kept/model.onnx'), '--out', at(out), ...small.split(' '));
    const { stdout } = await beside('away.onnx');
    expect(stdout).toContain('it is read with --scale 0..1 --mean 0.1307 --std 0.3081 --size 28x28; audit');
    expect((await beside('kept/near.onnx')).stdout).not.toContain('it is read with');
  });

  it('names --force beside a smaller rate where a training that diverged left a checkpoint', async () => {
    const none = await harden('steep.onnx', '--learning-rate', '1e38');
    expect(none.code).toBe(1);
    expect(none.stderr).toMatch(/try a smaller --learning-rate\n$/);
    writeFileSync(at('steep.checkpoint'), 'of a training');
    const { stderr } = await harden('steep.onnx', '--learning-rate', '1e38', '--force');
    expect(stderr).toContain(
      `try a smaller --learning-rate and --force, which replaces ${at('steep.checkpoint')}`,
    );
  });

  it('says, when its audits are interrupted, what is written and how to measure it, and then measures it', async () => {
    const words = [
      'harden',
      at('model.onnx'),
      '--out',
      at('stopped.onnx'),
      ...small.split(' '),
      '--images',
      '120',
    ];
    const child = start(words, { cwd: folder });
    await child.says('before: ');
    child.process.kill('SIGINT');
    const { code, stderr } = await child.finished;
    expect(stderr).toContain('SIGINT: leaving the audits');
    expect(stderr).toContain(`saved ${at('stopped.onnx')}, ${at('stopped.onnx.data')}; measure it with: `);
    expect(stderr).toMatch(/--resume\n$/);
    expect(code).toBe(130);
    const written = readFileSync(at('stopped.onnx'));
    writeFileSync(at('stopped.onnx'), 'of somebody');
    const other = await command(...words, '--resume');
    expect(other.stderr).toContain('stopped.onnx exists and holds something else');
    expect(other.code).toBe(2);
    writeFileSync(at('stopped.onnx'), written);
    const checkpoint = readFileSync(at('stopped.checkpoint'));
    const names = () => readdirSync(folder).filter((name) => name.startsWith('stopped.'));
    const finished = ['stopped.harden.json', 'stopped.onnx', 'stopped.onnx.data'];
    // what a write leaves whose process is killed
    const cut = [...finished, 'stopped.checkpoint'].map((name) => `${name}.3398717855`);
    for (const name of cut) writeFileSync(at(name), 'half');
    const resumed = await command(...words, '--resume');
    expect(resumed.code).toBe(0);
    expect(resumed.stdout).toMatch(/worst case +│/);
    expect(readFileSync(at('stopped.onnx')).equals(written)).toBe(true);
    expect(names()).toEqual(finished);

    // as when it is killed before it removes its checkpoint
    writeFileSync(at('stopped.checkpoint'), checkpoint);
    const report = readFileSync(at('stopped.harden.json'));
    const again = await command(...words, '--resume');
    expect(again.stdout).toBe(resumed.stdout);
    expect(readFileSync(at('stopped.harden.json')).equals(report)).toBe(true);
    expect(names()).toEqual(finished);
  }, 240_000);
});
