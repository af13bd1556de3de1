import { nameOf, type ClassifierCard } from '../../runtime/classifier-card.ts';

/** A choice of one of a classifier's classes, or of none. */
export function ClassSelect({
  title,
  card,
  value,
  none,
  except = null,
  onChange,
}: {
  readonly title: string;
  readonly card: ClassifierCard;
  /** Null for none. */
  readonly value: number | null;
  /** What it means that none is chosen. */
  readonly none: string;
  /** A class that cannot be chosen. */
  readonly except?: number | null;
  readonly onChange: (value: number | null) => void;
}) {
  return (
    <label class="field">
      <span>{title}</span>
      <select
        value={value === null ? '' : String(value)}
        onChange={({ currentTarget }) =>
          onChange(currentTarget.value === '' ? null : Number(currentTarget.value))
        }
      >
        <option value="">{none}</option>
        {Array.from({ length: card.classes }, (_, one) => (
          <option value={String(one)} disabled={one === except}>
            {nameOf(card, one)}
          </option>
        ))}
      </select>
    </label>
  );
}
