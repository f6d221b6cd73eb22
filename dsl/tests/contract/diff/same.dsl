Contract: Card version 3
  | field | type   | rules         |
  | id    | string | required, key |

Contract: Card version 3
  The same, said at more length.
  | field | type   | rules         | description |
  | id    | string | key, required | a card      |
