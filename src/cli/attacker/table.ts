import type { AttackerMeasure } from '../../runtime/attacker/card.ts';
import { textTable } from '../table.ts';

const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

/** What an attacker does, as text without colours: a row for each eps. */
export function measuresText(measured: readonly AttackerMeasure[]): string {
  const targeted = measured.some(({ success }) => success !== null);
  const head = [
    `${measured[0]!.images} images`,
    'accuracy',
    'fooled',
    ...(targeted ? ['target'] : []),
    'favourite',
  ];
  const rows = measured.map(({ eps, attacked, fooling, success, favourite }) => [
    `eps ${Number(eps.toPrecision(4))}`,
    percent(attacked),
    percent(fooling),
    ...(success === null ? [] : [percent(success)]),
    favourite ? `${favourite.label} (${percent(favourite.part)})` : '',
  ]);
  return textTable(head, [
    ['as they are', percent(measured[0]!.clean), ...head.slice(2).map(() => '')],
    ...rows,
  ]);
}
