Contract: Payment version 1
  | field  | type   | rules                            |
  | code   | string | matches '^[A-Z]+$'               |
  | status | string | one of approved, declined        |
  | amount | int64  | between 0 and 100                |
  | day    | date   | >= '2026-01-01'                  |
  | until  | date   | <= '2026-12-31'                  |
  | word   | string | >= 'a'                           |
  | same   | float64 | between 0 and 10                 |

Contract: Payment version 2
  | field  | type   | rules                            |
  | code   | string | matches '^[0-9]+$'               |
  | status | string | one of approved, refused         |
  | amount | int64  | between 50 and 500               |
  | day    | date   | >= '2025-01-01'                  |
  | until  | date   | <= '2027-12-31'                  |
  | word   | string | >= 'b'                           |
  | same   | float64 | >= 0.0, <= 10                    |
