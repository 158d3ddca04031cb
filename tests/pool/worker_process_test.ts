/** The contract of the pool, with child processes. */

import { poolContract } from "../contracts/pool_contract.ts";

poolContract("process");
