/** What may be spent in a day or a month, and what was. */
export interface BudgetPeriodParent {
  readonly limitMicros: bigint | null;
  readonly settledMicros: bigint;
  readonly reservedMicros: bigint;
  readonly resetsAt: Date;
}

/** What an organization may spend, and what happens at it. */
export interface BudgetParent {
  readonly daily: BudgetPeriodParent;
  readonly monthly: BudgetPeriodParent;
  readonly alertThresholdsPercent: number[];
  readonly hardStopAtLimit: boolean;
}
