import type { Demo } from '../demo.ts';
import type { Backend } from '../engine/protocol.ts';
import { megabytes } from '../format.ts';

/** Title, what computes, and how far the models are. */
export function Masthead({ demo }: { readonly demo: Demo }) {
  const engine = demo.engine.value;
  const { backend } = demo.choice.value;
  const download = demo.download.value;
  const threads =
    engine?.backend === 'wasm' ? `, ${engine.threads} thread${engine.threads > 1 ? 's' : ''}` : '';
  return (
    <header class="masthead">
      <h1>Sparring</h1>
      <p class="run">
        An attacker network against digit classifiers. Run <b>{demo.manifest.run}</b>,{' '}
        {demo.manifest.data.name.toUpperCase()}.
      </p>
      <label class="field engine">
        <span>Computed here by</span>
        <select
          value={backend ?? 'auto'}
          onChange={({ currentTarget: { value } }) =>
            demo.choose({ backend: value === 'auto' ? null : (value as Backend) })
          }
        >
          <option value="auto">
            {backend === null && engine
              ? `${backendNames[engine.backend]}${threads} (chosen)`
              : 'best there is'}
          </option>
          <option value="wasm">WASM{backend === 'wasm' ? threads : ''}</option>
          <option value="webgpu" disabled={!demo.webGpu}>
            WebGPU{demo.webGpu ? '' : ' (not here)'}
          </option>
        </select>
      </label>
      <div class="download" hidden={!download}>
        <progress
          aria-label="Download of the models"
          max={download?.total ?? 1}
          value={download?.loaded ?? 0}
        />
        <span>{download && `Models: ${megabytes(download.loaded)} of ${megabytes(download.total)}`}</span>
      </div>
    </header>
  );
}

const backendNames: Readonly<Record<Backend, string>> = { wasm: 'WASM', webgpu: 'WebGPU' };
