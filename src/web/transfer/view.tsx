import './transfer.css';
import { useEffect, useMemo } from 'preact/hooks';
import { shownAttacks } from '../attacks.ts';
import type { Demo } from '../demo.ts';
import { number, percent } from '../format.ts';
import type { MadeOn } from './engine/protocol.ts';
import { startTransfer, transferMethod, type Matrix } from './transfer.ts';

/** Whether what is made to fool one of the run's classifiers fools the others: measured on the samples when asked for. */
export function TransferMatrix({ demo }: { readonly demo: Demo }) {
  const transfer = useMemo(() => startTransfer(demo), [demo]);
  useEffect(() => () => transfer.close(), [transfer]);
  const matrix = transfer.matrix.value;
  const doing = transfer.doing.value;
  const { eps, clip } = demo.choice.value;
  const method = transferMethod(demo.choice.value);
  const isSame = matrix !== null && matrix.method === method && matrix.eps === eps && matrix.clip === clip;
  const isCurrent = isSame && transfer.broken.value === null;
  const things = `${demo.digits.length} ${demo.words.thing}s`;
  return (
    <section class="transfer" aria-labelledby="transfer-title" aria-busy={doing !== null}>
      <h2 id="transfer-title">Does it carry over?</h2>
      <p>
        Attacks made on one network often fool another. The table says how many of the {things} above each
        network reads right when they are attacked on it, and when they are attacked on another.
      </p>
      {transfer.broken.value !== null && (
        <p class="problem" role="alert">
          {transfer.broken.value}
        </p>
      )}
      {matrix && <Table matrix={matrix} />}
      <div class="row">
        <button type="button" disabled={doing !== null || isCurrent} onClick={() => transfer.measure()}>
          Measure with {shownAttacks[method].title} at eps {number(eps, 4)}
        </button>
        <span class="fine" role="status">
          {doing &&
            (doing.step > 0
              ? `${rowName(doing.on, matrix!)}: step ${doing.step}`
              : 'Opening the networks. It takes some seconds.')}
        </span>
      </div>
    </section>
  );
}

function rowName(on: MadeOn, { titles }: Matrix): string {
  if (on === 'clean') return 'No attack';
  return on === 'noise' ? 'Random noise' : titles[on]!;
}

function Table({ matrix }: { readonly matrix: Matrix }) {
  const { method, eps, clip, images, titles, more, rows } = matrix;
  return (
    <table class="matrix">
      <caption>
        Read right of {images}{' '}
        <span class="role">
          {shownAttacks[method].title}, eps {number(eps, 4)}, {clip ? 'clipped' : 'unclipped'}
          {more > 0 && `; ${more} more of the run are left out`}
        </span>
      </caption>
      <thead>
        <tr>
          <th scope="col">Attack made on</th>
          {titles.map((title) => (
            <th scope="col" class="number">
              <span class="role">judged by </span>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {(['clean', 'noise', ...titles.keys()] as const).map((on) => {
          const row = rows.get(on);
          return (
            <tr>
              <th scope="row">{rowName(on, matrix)}</th>
              {typeof row === 'string' ? (
                <td colSpan={titles.length}>has no gradient: {row}</td>
              ) : (
                titles.map((_, i) => <Cell value={row?.[i] ?? null} isOwn={i === on} />)
              )}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Cell({ value, isOwn }: { readonly value: number | null; readonly isOwn: boolean }) {
  if (value === null) return <td class="number">…</td>;
  return (
    <td class="number" style={{ '--wrong-part': String(1 - value) }}>
      {isOwn ? <b>{percent(value)}</b> : percent(value)}
    </td>
  );
}
