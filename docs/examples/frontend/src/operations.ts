import { gql, type TypedDocumentNode } from '@apollo/client';

// Written by hand, so that there is nothing to install; `docs/frontend.md` has them made from the contract.
export const ROLES = ['OWNER', 'ADMIN', 'DEVELOPER', 'VIEWER'] as const;
export type Role = (typeof ROLES)[number];

interface Organization {
  id: string;
  slug: string;
  name: string;
}

export interface Member {
  id: string;
  role: Role;
  status: 'INVITED' | 'ACTIVE' | 'SUSPENDED' | 'REMOVED';
  user: { id: string; name: string; email: string };
}

export interface Viewer {
  user: { id: string; name: string; email: string } | null;
  role: Role | null;
  permissions: string[];
  currentOrganization: Organization | null;
}

/** Who asks, and what they may do in the organization of this tab. */
export const STANDING: TypedDocumentNode<{ viewer: Viewer }> = gql`
  query Standing {
    viewer {
      user {
        id
        name
        email
      }
      role
      permissions
      currentOrganization {
        id
        slug
        name
      }
    }
  }
`;

export const MY_ORGANIZATIONS: TypedDocumentNode<{
  myOrganizations: { nodes: (Organization & { viewerRole: Role })[] };
}> = gql`
  query MyOrganizations {
    myOrganizations(first: 100, orderBy: { field: NAME, direction: ASC }) {
      nodes {
        id
        slug
        name
        viewerRole
      }
    }
  }
`;

const MEMBER = gql`
  fragment Member on Membership {
    id
    role
    status
    user {
      id
      name
      email
    }
  }
`;

export const MEMBERS: TypedDocumentNode<
  {
    members: {
      totalCount: number;
      edges: { cursor: string; node: Member }[];
      pageInfo: { hasNextPage: boolean; endCursor: string | null };
    };
  },
  { filter: { search?: string; status: Member['status'][] }; after?: string | null }
> = gql`
  query Members($filter: MembershipFilter, $after: String) {
    members(first: 10, after: $after, filter: $filter, orderBy: { field: EMAIL, direction: ASC }) {
      totalCount
      edges {
        cursor
        node {
          ...Member
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
  ${MEMBER}
`;

/** Answers the membership with its id, so the cache shows the new role wherever that member is shown. */
export const UPDATE_ROLE: TypedDocumentNode<{ updateMemberRole: Member }, { userId: string; role: Role }> = gql`
  mutation UpdateRole($userId: ID!, $role: OrganizationRole!) {
    updateMemberRole(userId: $userId, role: $role) {
      ...Member
    }
  }
  ${MEMBER}
`;

export const INVITE: TypedDocumentNode<
  { inviteUser: { user: { id: string } } },
  { input: { email: string; name: string; role: Role } }
> = gql`
  mutation Invite($input: InviteUserInput!) {
    inviteUser(input: $input) {
      user {
        id
      }
    }
  }
`;

export const SIGN_OUT: TypedDocumentNode<{ signOut: boolean }> = gql`
  mutation SignOut {
    signOut
  }
`;
