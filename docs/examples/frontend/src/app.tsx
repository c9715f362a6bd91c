import { ApolloProvider, useQuery } from '@apollo/client/react';
import { useEffect, useState } from 'react';
import { codeOf, isNoMember, messageOf } from './errors';
import { clientFor, forget, signInAddress } from './gateway';
import { Header } from './header';
import { Invite } from './invite';
import { Members } from './members';
import { MY_ORGANIZATIONS, STANDING } from './operations';
import { addressIn, organizationOfTab } from './tab';

export function App() {
  const [organization, setOrganization] = useState(organizationOfTab);
  useEffect(() => {
    const followHistory = () => setOrganization(organizationOfTab());
    addEventListener('popstate', followHistory);
    return () => removeEventListener('popstate', followHistory);
  }, []);
  const choose = (slug: string | null) => {
    history.pushState(null, '', addressIn(slug));
    setOrganization(slug);
  };
  // Another organization is another client, and what the page remembers by itself is forgotten with the old one.
  return (
    <ApolloProvider client={clientFor(organization)} key={organization}>
      <Page organization={organization} choose={choose} />
    </ApolloProvider>
  );
}

interface PageProps {
  organization: string | null;
  choose: (slug: string | null) => void;
}

function Page({ organization, choose }: PageProps) {
  const { data, error, refetch } = useQuery(STANDING);
  useEffect(() => {
    // Rights may have changed while nobody looked. The gateway decides each time; this is so that the page does not lie.
    const look = () => void refetch().catch(() => undefined);
    addEventListener('focus', look);
    return () => removeEventListener('focus', look);
  }, [refetch]);
  const isOver = isNoMember(error);
  useEffect(() => {
    if (isOver) void forget(organization);
  }, [isOver, organization]);

  if (isOver) {
    return (
      <Choice choose={choose}>
        <p role="alert">You do not belong to {organization}, or no longer.</p>
      </Choice>
    );
  }
  if (codeOf(error) === 'UNAUTHENTICATED') {
    return (
      <main>
        <h1>Members</h1>
        <a href={signInAddress()}>Sign in</a>
      </main>
    );
  }
  if (error) return <p role="alert">{messageOf(error)}</p>;
  if (!data) return <p>Loading…</p>;
  const { currentOrganization, permissions, role } = data.viewer;
  // A default would do to read with; what is changed names its organization.
  if (organization === null || !currentOrganization) return <Choice choose={choose} />;
  const may = (permission: string) => permissions.includes(permission);
  return (
    <>
      <Header viewer={data.viewer} choose={choose} />
      <main>
        <h1>{currentOrganization.name}</h1>
        <p role="status">You are {role} here.</p>
        {may('member:invite') && <Invite />}
        {may('member:read') && <Members mayUpdate={may('member:update')} />}
      </main>
    </>
  );
}

function Choice({ choose, children }: { choose: PageProps['choose']; children?: React.ReactNode }) {
  // Asked in no organization: the one that the address names is perhaps none of theirs.
  const { data, error } = useQuery(MY_ORGANIZATIONS, { client: clientFor(null), fetchPolicy: 'network-only' });
  return (
    <main>
      <h1>Where do you want to work?</h1>
      {children}
      {error && <p role="alert">{messageOf(error)}</p>}
      <ul>
        {data?.myOrganizations.nodes.map(({ id, slug, name, viewerRole }) => (
          <li key={id}>
            <button onClick={() => choose(slug)}>{name}</button> {viewerRole}
          </li>
        ))}
      </ul>
    </main>
  );
}
