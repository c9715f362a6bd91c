import { useMutation, useQuery } from '@apollo/client/react';
import { clientFor, forget } from './gateway';
import { MY_ORGANIZATIONS, SIGN_OUT, type Viewer } from './operations';
import { addressIn } from './tab';

interface HeaderProps {
  viewer: Viewer;
  choose: (slug: string | null) => void;
}

/** Who is signed in, and the switcher. */
export function Header({ viewer, choose }: HeaderProps) {
  const { data } = useQuery(MY_ORGANIZATIONS, { client: clientFor(null) });
  const [signOut] = useMutation(SIGN_OUT);
  const leave = async () => {
    await signOut();
    await forget();
    location.assign(addressIn(null));
  };
  const organizations = data?.myOrganizations.nodes ?? [];
  return (
    <header>
      <label>
        Organization
        <select value={viewer.currentOrganization?.slug} onChange={({ target }) => choose(target.value)}>
          {organizations.map(({ id, slug, name }) => (
            <option key={id} value={slug}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <span>{viewer.user?.email}</span>
      <button onClick={() => void leave().catch(() => undefined)}>Sign out</button>
    </header>
  );
}
