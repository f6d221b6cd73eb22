Contract: Payment version 2
   One row per attempt.
   More prose.
   Compatibility: backward
   Owner: payments-team

|field|type|rules|tags|description|
|card_id|string|matches '^c\d+\\n$', required, length <= 9|pii|with a \| bar|
|status| string| one of approved , 'on hold', 'required'|||
|amount|decimal(12,2)|>= 0, required|risk, money| 漢字 |
|n|int| between 0 and 9, default 0 |||
|items|struct<a: int, b: string[]>[]||||
|paid_at|timestamptz(ms)|event time, required|||
