import { useMutation } from '@apollo/client/react';
import { useState } from 'react';
import { argumentOf, messageOf } from './errors';
import { INVITE, ROLES, type Role } from './operations';

export function Invite() {
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<Role>('VIEWER');
  // Lists that show members are read anew; the one who was invited may stand on any page of them.
  const [invite, { loading, error, data }] = useMutation(INVITE, { refetchQueries: ['Members'] });
  const isAtEmail = argumentOf(error) === 'input.email';
  const send = async () => {
    const [name = email] = email.split('@');
    // What is wrong is shown below, and what was typed stays.
    const sent = await invite({ variables: { input: { email, name, role } } }).catch(() => null);
    if (sent) setEmail('');
  };
  return (
    <form
      aria-label="Invite"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label>
        E-mail
        <input
          value={email}
          onChange={({ target }) => setEmail(target.value)}
          aria-invalid={isAtEmail}
          aria-describedby="invite-outcome"
        />
      </label>
      <label>
        Role
        <select value={role} onChange={({ target }) => setRole(target.value as Role)}>
          {ROLES.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <button disabled={loading}>Invite</button>
      <span id="invite-outcome">
        {error ? <span role="alert">{messageOf(error)}</span> : data && <span role="status">Invited.</span>}
      </span>
    </form>
  );
}
