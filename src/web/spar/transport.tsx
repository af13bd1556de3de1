import type { Spar } from './spar.ts';

/** Play, pause, step and restart. */
export function Transport({ spar }: { readonly spar: Spar }) {
  const hidden = spar.hidden.value;
  const playing = spar.playing.value;
  return (
    <div class="row transport">
      <button type="button" class="play" onClick={() => (playing ? spar.pause() : spar.play())}>
        <svg viewBox="0 0 10 10" aria-hidden="true">
          <path d={playing ? 'M1 0h3v10H1zM6 0h3v10H6z' : 'M1 0l9 5-9 5z'} />
        </svg>
        {playing ? 'Pause' : 'Play'}
      </button>
      {!hidden.includes('step') && (
        <button type="button" onClick={() => spar.oneStep()}>
          Step
        </button>
      )}
      {!hidden.includes('restart') && (
        <button type="button" onClick={() => spar.restart()}>
          Restart
        </button>
      )}
    </div>
  );
}
