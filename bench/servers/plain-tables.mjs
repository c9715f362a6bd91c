import { createRequire } from 'node:module';
import { PROJECT } from '../settings.mjs';

const DataLoader = createRequire(`${PROJECT}package.json`)('dataloader');
const { notFound } = await import(`${PROJECT}dist/errors.js`);
const { translateDatabaseError } = await import(`${PROJECT}dist/data/database-error.js`);
const { readLatestPerParent } = await import(`${PROJECT}dist/data/latest-per-parent.js`);

/**
 * What the measured operations need of src/data/organization-db.ts, over Prisma's client as it comes. The organization
 * is one more field of `where`, and nothing checks that it is there.
 */
export function createPlainTables({ prisma, pool, models }, orgId) {
  const tables = {};
  const forgets = [];
  const changed = () => {
    for (const forget of forgets) forget();
  };
  for (const model of models.values()) {
    const name = model.name.charAt(0).toLowerCase() + model.name.slice(1);
    tables[name] = createPlainTable({ pool, model, delegate: prisma[name], orgId, changed, forgets });
  }
  return tables;
}

function createPlainTable({ pool, model, delegate, orgId, changed, forgets }) {
  const failed = (error) => {
    throw translateDatabaseError(error, model);
  };
  const own = (where) => ({ ...where, [model.orgField]: orgId });
  const key = model.keyField;
  const byKey = new DataLoader(async (keys) => {
    const rows = await delegate.findMany({ where: own({ [key]: { in: [...keys] } }) }).catch(failed);
    const found = new Map(rows.map((row) => [row[key], row]));
    return keys.map((wanted) => found.get(wanted) ?? null);
  });
  const byParent = new Map();
  const parentLoader = (parent, page) => {
    const shape = JSON.stringify([parent, page]);
    let loader = byParent.get(shape);
    if (!loader) {
      loader = new DataLoader(async (ids) => {
        const rows = await readLatestPerParent(pool, model, orgId, parent, ids, page).catch(failed);
        const pages = new Map(ids.map((id) => [id, []]));
        for (const row of rows) pages.get(row[parent])?.push(row);
        return ids.map((id) => pages.get(id) ?? []);
      });
      byParent.set(shape, loader);
    }
    return loader;
  };
  forgets.push(() => {
    byKey.clearAll();
    byParent.clear();
  });
  const find = (where) => delegate.findFirst({ where: own(where) }).catch(failed);
  return {
    find,
    get: async (where) => {
      const row = await find(where);
      if (!row) throw notFound();
      return row;
    },
    load: (id) => byKey.load(id),
    list: ({ where, ...rest }) => delegate.findMany({ ...rest, where: own(where) }).catch(failed),
    listFor: (parent, parentId, page) => parentLoader(parent, page).load(parentId),
    create: async (data) => {
      const row = await delegate.create({ data: own(data) }).catch(failed);
      changed();
      return row;
    },
  };
}
