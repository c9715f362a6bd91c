// First: the editor looks for its workers as soon as it is loaded.
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './page.css';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import type { Fetcher, FetcherParams } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { getOperationAST, Kind, type OperationDefinitionNode, OperationTypeNode, parse } from 'graphql';
import { useEffect, useMemo, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { type Known, samples } from './samples.js';
import {
  findKnown,
  findPeople,
  findSignedIn,
  followGraphQL,
  type Person,
  postGraphQL,
  type SignedIn,
  tokenFor,
} from './session.js';
import { forgetHeaders, storage } from './storage.js';

const plugins = [HISTORY_PLUGIN, explorerPlugin({ showAttribution: false })];
const PERSON = 'orgate:person';
const ORGANIZATION = 'orgate:organization';
const NOTHING: Known = { agent: null, approval: null, notification: null, member: null };
/** Not by the name of an organization's host: what the server sends to itself names no organization by that. */
const ORIGIN = location.hostname.endsWith('.localhost')
  ? `${location.protocol}//localhost:${location.port}`
  : location.origin;
/** In place of an e-mail: whoever signed in in this browser. */
const SIGNED_IN = '';

forgetHeaders();

// Whoever comes here from signing in is that person, in the organization where they said that they want to work.
const chosen = new URLSearchParams(location.search).get('organization');
if (chosen !== null) {
  localStorage.setItem(PERSON, SIGNED_IN);
  localStorage.setItem(ORGANIZATION, chosen);
  history.replaceState(null, '', location.pathname);
}

function App() {
  const [people, setPeople] = useState<readonly Person[] | null>(null);
  const [email, setEmail] = useState(() => localStorage.getItem(PERSON) ?? '');
  const [token, setToken] = useState('');
  const [signedIn, setSignedIn] = useState<SignedIn | null>(null);
  const [organization, setOrganization] = useState<string | null>(null);
  // For the samples that are about something.
  const [known, setKnown] = useState<Known>(NOTHING);
  const [problem, setProblem] = useState('');
  const [foreignHeader, setForeignHeader] = useState<string | null>(null);
  // A switch shows the other organization's answer to the operation that is open; the first look runs nothing.
  const [switches, setSwitches] = useState(0);

  useEffect(() => {
    Promise.all([findPeople(), findSignedIn('')]).then(([{ people: found, foreignHeader: header }, { name }]) => {
      setForeignHeader(header);
      const all =
        name && found.length > 0 ? [{ email: SIGNED_IN, label: `${name}, as signed in here` }, ...found] : found;
      setPeople(all);
      if (!all.some((person) => person.email === email)) setEmail(all[0]?.email ?? SIGNED_IN);
    }, tell);
  }, []);

  useEffect(() => {
    if (email === SIGNED_IN) setToken('');
    else if (people?.length) tokenFor(email).then(setToken, tell);
  }, [people, email]);

  useEffect(() => {
    setSignedIn(null);
    if (!people || (!token && email !== SIGNED_IN)) return;
    const find = async () => {
      const found = await findSignedIn(token);
      const last = localStorage.getItem(ORGANIZATION);
      const first = found.organizations.find(({ slug }) => slug === last) ?? found.organizations[0];
      setKnown(first ? await findKnown(token, first.slug) : NOTHING);
      setOrganization(first?.slug ?? null);
      setSignedIn(found);
      setProblem('');
    };
    find().catch(tell);
  }, [token, people]);

  const fetcher = useMemo<Fetcher>(
    () => (request, options) => {
      const named = withOwnName(request);
      return isSubscription(named)
        ? followGraphQL(named, token, organization, options?.headers ?? {})
        : postGraphQL(named, token, organization, options?.headers ?? {});
    },
    [token, organization],
  );

  function tell(error: unknown) {
    setProblem(error instanceof Error ? error.message : 'Something went wrong.');
  }
  function choosePerson(next: string) {
    localStorage.setItem(PERSON, next);
    setEmail(next);
    setSwitches(switches + 1);
  }
  function chooseOrganization(next: string) {
    localStorage.setItem(ORGANIZATION, next);
    setOrganization(next);
    setSwitches(switches + 1);
  }

  const current = signedIn?.organizations.find(({ slug }) => slug === organization);
  return (
    <>
      <header className="orgate-bar">
        <strong>orgate</strong>
        {people && people.length > 0 && (
          <label>
            Person
            <select aria-label="Person" value={email} onChange={(event) => choosePerson(event.target.value)}>
              {people.map((person) => (
                <option key={person.email} value={person.email}>
                  {person.label}
                </option>
              ))}
            </select>
          </label>
        )}
        {people?.length === 0 && (
          <label>
            Bearer token
            <input
              aria-label="Bearer token"
              type="password"
              autoComplete="off"
              placeholder="paste one to sign in"
              onChange={(event) => setToken(event.target.value.trim())}
            />
          </label>
        )}
        {signedIn && signedIn.organizations.length > 0 && (
          <label>
            Organization
            <select
              aria-label="Organization"
              value={organization ?? ''}
              onChange={(event) => chooseOrganization(event.target.value)}
            >
              {signedIn.organizations.map(({ slug, name }) => (
                <option key={slug} value={slug}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        <span className="orgate-status" role="status">
          {problem || describe(signedIn, current?.role, foreignHeader)}
        </span>
      </header>
      <main>
        {signedIn && (
          // Another one for each person and organization: what was typed under Headers goes with the one before.
          <GraphiQL
            key={`${email} ${token.slice(-16)} ${organization}`}
            fetcher={fetcher}
            storage={storage}
            plugins={plugins}
            defaultTabs={samples(known, ORIGIN)}
            showPersistHeadersSettings={false}
          >
            <GraphiQL.Logo>
              <span />
            </GraphiQL.Logo>
            <GraphiQL.Footer>
              <RunAgain switches={switches} />
              <FollowScheme />
            </GraphiQL.Footer>
          </GraphiQL>
        )}
      </main>
    </>
  );
}

/** After a click on another tab the editor may still name an operation of the one before; such a name is left out. */
function withOwnName({ operationName, ...request }: FetcherParams): FetcherParams {
  const isOwn = ({ name }: OperationDefinitionNode) => name?.value === operationName;
  const { definitions } = parse(request.query);
  const operations = definitions.filter(
    (node): node is OperationDefinitionNode => node.kind === Kind.OPERATION_DEFINITION,
  );
  return operations.some(isOwn) ? { ...request, operationName: operationName ?? null } : request;
}

function isSubscription({ query, operationName }: FetcherParams): boolean {
  const operation = getOperationAST(parse(query), operationName);
  return operation?.operation === OperationTypeNode.SUBSCRIPTION;
}

function describe(signedIn: SignedIn | null, role: string | undefined, foreignHeader: string | null): string {
  if (!signedIn) return 'Signing in …';
  if (!signedIn.name && foreignHeader !== null)
    return `Not signed in. The demo people are there at localhost without a proxy only; the header ${foreignHeader} says otherwise.`;
  if (!signedIn.name) return 'Not signed in.';
  if (!role) return `${signedIn.name} belongs to no organization.`;
  return `${signedIn.name} is ${role} here.`;
}

/** After a switch: the same query, answered for the other person or organization. A mutation is never sent again. */
function RunAgain({ switches }: { switches: number }) {
  const { run } = useGraphiQLActions();
  const schema = useGraphiQL((state) => state.schema);
  const operations = useGraphiQL((state) => state.operations);
  const answered = useRef(switches === 0);
  useEffect(() => {
    if (answered.current || !schema || !operations) return;
    answered.current = true;
    if (operations.length === 1 && operations[0]?.operation === 'query') run();
  }, [schema, operations]);
  return null;
}

/** A system that turns dark while the page is open turns the page; the editor asks once only, and is told here. */
function FollowScheme() {
  const { setTheme } = useGraphiQLActions();
  const theme = useGraphiQL((state) => state.theme);
  useEffect(() => {
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const follow = () => {
      if (theme === null) setTheme(null);
    };
    scheme.addEventListener('change', follow);
    return () => scheme.removeEventListener('change', follow);
  }, [theme]);
  return null;
}

// The editor gives up what it was still working out when it is taken away, and says so by a rejection that means nothing.
addEventListener('unhandledrejection', (event) => {
  if (event.reason?.name === 'Canceled') event.preventDefault();
});

createRoot(document.getElementById('root') as HTMLElement).render(<App />);
