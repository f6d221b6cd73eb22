Contract: Card version 1
  Owner: one
  | field | type   | rules    | tags |
  | id    | string | required |      |
  | name  | string | required | pii  |
  Compatibility: full

Contract: Card version 2
  Owner: another
  | field | type   | rules    | tags     |
  | name  | string | required | pii, phi |
  | id    | string | required |          |
  Compatibility: backward
