Contract: Payment version 1
  | field   | type           | rules                                 |
  | id      | string         |                                       |
  | amount  | decimal(12, 2) | >= 0                                  |
  | status  | string         | one of approved, declined, pending    |
  | comment | string         | length <= 200                         |
  | code    | string         | required                              |
  | rate    | float64        | between 0 and 1                       |
  Compatibility: backward

Contract: Payment version 2
  | field   | type           | rules                                 |
  | id      | string         | required, unique                      |
  | amount  | decimal(12, 2) | > 0                                   |
  | status  | string         | one of approved, declined             |
  | comment | string         | length <= 100                         |
  | code    | string         | required, matches '^[A-Z]+$'          |
  | rate    | float64        | between 0.25 and 0.75                 |
  Compatibility: backward
