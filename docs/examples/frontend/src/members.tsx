import { useMutation, useQuery } from '@apollo/client/react';
import { useDeferredValue, useState } from 'react';
import { messageOf } from './errors';
import { type Member, MEMBERS, ROLES, type Role, UPDATE_ROLE } from './operations';

export function Members({ mayUpdate }: { mayUpdate: boolean }) {
  const [text, setText] = useState('');
  const search = useDeferredValue(text.trim());
  const variables = {
    filter: { ...(search && { search }), status: ['ACTIVE', 'INVITED'] satisfies Member['status'][] },
  };
  const { data, previousData, loading, error, fetchMore } = useQuery(MEMBERS, {
    variables,
    // What is known is shown at once, and asked for again all the same.
    fetchPolicy: 'cache-and-network',
    nextFetchPolicy: 'cache-first',
  });
  const [updateRole, update] = useMutation(UPDATE_ROLE);
  const { edges = [], pageInfo, totalCount } = (data ?? previousData)?.members ?? {};
  const isShown = error ?? update.error;
  return (
    <section aria-label="Members" aria-busy={loading}>
      <label>
        Search
        <input type="search" maxLength={100} value={text} onChange={({ target }) => setText(target.value)} />
      </label>
      {isShown && <p role="alert">{messageOf(isShown)}</p>}
      <table>
        <caption>{totalCount} members</caption>
        <thead>
          <tr>
            <th>Name</th>
            <th>E-mail</th>
            <th>Role</th>
            <th>Status</th>
          </tr>
        </thead>
        <tbody>
          {edges.map(({ node: { id, user, role, status } }) => (
            <tr key={id}>
              <td>{user.name}</td>
              <td>{user.email}</td>
              <td>
                {mayUpdate ? (
                  <select
                    aria-label={`Role of ${user.email}`}
                    value={role}
                    onChange={({ target }) =>
                      void updateRole({ variables: { userId: user.id, role: target.value as Role } }).catch(
                        () => undefined,
                      )
                    }
                  >
                    {ROLES.map((each) => (
                      <option key={each}>{each}</option>
                    ))}
                  </select>
                ) : (
                  role
                )}
              </td>
              <td>{status}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {pageInfo?.hasNextPage && (
        <button
          disabled={loading}
          onClick={() => void fetchMore({ variables: { after: pageInfo.endCursor } }).catch(() => undefined)}
        >
          More
        </button>
      )}
    </section>
  );
}
