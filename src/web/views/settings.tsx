import type { Demo } from '../demo.ts';
import type { Backend } from '../engine/protocol.ts';
import { megabytes, number } from '../format.ts';
import { snap } from '../lineup.ts';
import { ClassSelect } from './class-select.tsx';
import { Smallest } from './smallest.tsx';

const step = 0.005;

/** eps and the switches of the threat model. */
export function Settings({ demo }: { readonly demo: Demo }) {
  const { aim, eps, clip, bits, weights, series: chosen } = demo.choice.value;
  const series = demo.series.find(({ id }) => id === chosen) ?? demo.series[0]!;
  const trained = series.cells.map((cell) => cell.eps);
  const most = Math.max(0.3, ...trained);
  const { models } = demo.lineUp.value.cell;
  return (
    <section class="block" aria-labelledby="attack-title">
      <h2 id="attack-title">Attack</h2>
      <div class="eps">
        <label for="eps">
          <i>eps</i> <span class="role">largest change of a pixel</span>
        </label>
        <output for="eps">
          {number(eps, 4)} <span class="role">≈ {number(255 * eps, 1)}/255</span>
        </output>
        <input
          id="eps"
          type="range"
          min="0"
          max={most}
          step={step}
          value={eps}
          aria-describedby="eps-note"
          onInput={(event) => demo.choose({ eps: snap(Number(event.currentTarget.value), series, step) })}
        />
        <div class="ticks">
          {trained.map((value) => (
            <button
              type="button"
              class={value === eps ? 'tick at' : 'tick'}
              style={{ left: `${(100 * value) / most}%` }}
              aria-label={`eps ${number(value, 4)}, for which an attacker was trained`}
              onClick={() => demo.choose({ eps: value })}
            >
              {number(value, 4)}
            </button>
          ))}
        </div>
        <p id="eps-note" class="fine">
          <EpsNote demo={demo} />
        </p>
        <Smallest demo={demo} most={most} />
      </div>
      <ClassSelect
        title="Make it look like"
        card={demo.card}
        value={aim}
        none="anything else"
        except={demo.results.value?.clean?.label ?? demo.choice.value.label}
        onChange={(value) => demo.choose({ aim: value })}
      />
      {demo.series.length > 1 && (
        <label class="field">
          <span>Attacker</span>
          <select value={series.id} onChange={(event) => demo.choose({ series: event.currentTarget.value })}>
            {demo.series.map(({ id, title }) => (
              <option value={id}>{title}</option>
            ))}
          </select>
        </label>
      )}
      <label class="switch">
        <input
          type="checkbox"
          role="switch"
          checked={bits === 8}
          onChange={(event) =>
            demo.choose(event.currentTarget.checked ? { bits: 8, clip: true } : { bits: null })
          }
        />
        <span>
          8-bit pixels <span class="role">as a PNG holds them, still within eps</span>
        </span>
      </label>
      <label class="switch">
        <input
          type="checkbox"
          role="switch"
          checked={clip}
          disabled={bits === 8}
          onChange={(event) => demo.choose({ clip: event.currentTarget.checked })}
        />
        <span>
          Clip to [0, 1] <span class="role">a valid image</span>
        </span>
      </label>
      {models.attackerCompact && (
        <label class="switch">
          <input
            type="checkbox"
            role="switch"
            checked={weights === 'full'}
            onChange={(event) => demo.choose({ weights: event.currentTarget.checked ? 'full' : 'compact' })}
          />
          <span>
            Full weights{' '}
            <span class="role">
              float32, {megabytes(models.attacker.bytes)} instead of {megabytes(models.attackerCompact.bytes)}
            </span>
          </span>
        </label>
      )}
      <EngineChoice demo={demo} />
    </section>
  );
}

const backendNames: Readonly<Record<Backend, string>> = { wasm: 'WASM', webgpu: 'WebGPU' };

/** What computes: WASM or WebGPU. */
function EngineChoice({ demo }: { readonly demo: Demo }) {
  const engine = demo.engine.value;
  const able = demo.webGpu.value;
  const { backend } = demo.choice.value;
  const chosen = backend === 'webgpu' && !able ? null : backend;
  const threads =
    engine?.backend === 'wasm' ? `, ${engine.threads} thread${engine.threads > 1 ? 's' : ''}` : '';
  return (
    <label class="field engine">
      <span>Computed here by</span>
      <select
        value={chosen ?? 'auto'}
        onChange={({ currentTarget: { value } }) =>
          demo.choose({ backend: value === 'auto' ? null : (value as Backend) })
        }
      >
        <option value="auto">
          {chosen === null && engine
            ? `${backendNames[engine.backend]}${threads} (chosen)`
            : 'the fastest available'}
        </option>
        <option value="wasm">WASM{chosen === 'wasm' ? threads : ''}</option>
        <option value="webgpu" disabled={!able}>
          WebGPU{able ? '' : ' (not here)'}
        </option>
      </select>
    </label>
  );
}

/** Says whether the attacker was trained for what it is used for. */
function EpsNote({ demo }: { readonly demo: Demo }) {
  const { eps, clip } = demo.choice.value;
  const { cell, scale } = demo.lineUp.value;
  const otherClip = clip !== cell.clip && (
    <> It was trained for {cell.clip ? 'clipped' : 'unclipped'} images.</>
  );
  if (scale === 1) return <>The attacker was trained for this eps.{otherClip}</>;
  return (
    <>
      No attacker was trained for {number(eps, 4)}: this is the one for {number(cell.eps, 4)}, its
      perturbation times {number(scale, 2)}.{otherClip}
    </>
  );
}
