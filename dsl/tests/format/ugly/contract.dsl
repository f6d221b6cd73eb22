Contract:   Payment   version   2
 One row.
   Owner : payments-team
    |field|type|rules|
 |id|string|required,key|
     |amount|decimal(12,2)|  >=0 |
  Compatibility:backward
Step:ValidateSIN( column ,digits=9 )
   Prose here.
 @then length(${column})   =   ${digits}   otherwise reject
Contract: Other version 1
 |field|type|
