import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { FindTxt } from '../egress/find-txt.js';
import type { LookUpHost } from '../egress/look-up-host.js';

/** A TXT record of a name that is reserved for trying things out. */
export interface TxtRecord {
  readonly name: string;
  readonly value: string;
}

/** The DNS of `.example` and `.test` on a development machine, where no name server knows them. */
export interface DevelopmentDns {
  readonly findTxt: FindTxt;
  /** These names lead nowhere else, so they lead here. */
  readonly lookUpHost: LookUpHost;
  list(): readonly TxtRecord[];
  publish(record: TxtRecord): Promise<void>;
  withdraw(record: TxtRecord): Promise<void>;
}

const RECORDS = z.array(z.object({ name: z.string(), value: z.string() }));

/** @param elsewhere who is asked for every other name; of hosts, `hostsElsewhere` */
export async function openDevelopmentDns(
  dataDirectory: string,
  elsewhere: FindTxt,
  hostsElsewhere: LookUpHost,
): Promise<DevelopmentDns> {
  const file = path.join(dataDirectory, 'development-dns.json');
  let records = await readFile(file, 'utf8').then(
    (text) => RECORDS.parse(JSON.parse(text)),
    () => [],
  );
  const keep = (kept: TxtRecord[]): Promise<void> => writeFile(file, JSON.stringify((records = kept)));
  const others = ({ name, value }: TxtRecord) => records.filter((each) => each.name !== name || each.value !== value);
  return {
    findTxt: async (name) => {
      if (!isForTrying(name)) return elsewhere(name);
      const found = records.filter((each) => each.name === name).map(({ value }) => value);
      return { found, problem: found.length === 0 ? 'NO_SUCH_NAME' : null };
    },
    lookUpHost: async (name) =>
      isForTrying(name) ? { alias: 'localhost', addresses: [], isAnswered: true } : hostsElsewhere(name),
    list: () => records,
    publish: (record) => keep([...others(record), record]),
    withdraw: (record) => keep(others(record)),
  };
}

export const isForTrying = (name: string): boolean => /\.(example|test)$/.test(name);
