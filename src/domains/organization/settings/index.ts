export { readSettings } from './document.js';
