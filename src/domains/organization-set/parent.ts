import type { OrganizationSet, Place } from '../../identity/organization-sets.js';
import type { Region } from '../../regions.js';

export type OrganizationSetParent = OrganizationSet;
export type OrganizationElsewhereParent = Place;
export type RegionParent = Region;
