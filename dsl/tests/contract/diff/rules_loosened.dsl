Contract: Payment version 1
  | field   | type           | rules                        |
  | id      | string         | required, unique             |
  | amount  | decimal(12, 2) | > 0, < 100, <> 13            |
  | comment | string         | length >= 1, length <= 100   |
  | code    | string         | required, matches '^[A-Z]+$' |
  Compatibility: forward

Contract: Payment version 2
  | field   | type           | rules                        |
  | id      | string         |                              |
  | amount  | decimal(12, 2) | > 0                          |
  | comment | string         |                              |
  | code    | string         | required                     |
  Compatibility: forward
